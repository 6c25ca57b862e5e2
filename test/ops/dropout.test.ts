import { describe, expect, it } from 'vitest';
import { openDevice } from '#spinegrad/engine/openDevice.js';
import { type DropoutOptions, dropout } from '#spinegrad/engine/ops/dropout.js';
import { PURPOSE, philox, uniform } from '#spinegrad/engine/philox.js';
import { describeOperation, integers, normals } from './descriptor.js';

/** Element e uses word floor((e % 1024) / 256) of Philox block 256 floor(e / 1024) + e % 256. */
function uniformOf({ seed, step }: DropoutOptions, element: number): number {
  const block = 256 * Math.floor(element / 1024) + (element % 256);
  const words = philox([seed, PURPOSE.dropout], [block, 0, step, 0]);
  return uniform(words[Math.floor((element % 1024) / 256)]!);
}

describeOperation<DropoutOptions>({
  name: 'dropout',
  run: ({ x }, options) => dropout(x!, options),
  reference: ({ x }, options) =>
    x!.values.map((value, e) =>
      uniformOf(options, e) >= Math.fround(options.p) ? value / (1 - options.p) : 0,
    ),
  differentiable: ['x'],
  tolerance: { units: 2, reason: 'the factor and the product round once each' },
  cases: [
    { name: 'half', inputs: { x: integers([3, 5], 1) }, options: { p: 0.5, seed: 1, step: 0 }, exact: true },
    { name: 'none', inputs: { x: integers([4, 4], 2) }, options: { p: 0, seed: 1, step: 0 }, exact: true },
    { name: 'one value', inputs: { x: normals([1], 3) }, options: { p: 0.3, seed: 9, step: 4 } },
    {
      name: 'an image',
      inputs: { x: normals([2, 3, 5, 7], 4) },
      options: { p: 0.1, seed: 2 ** 32 - 1, step: 7 },
    },
    {
      name: 'more than one parallel chunk',
      inputs: { x: normals([16384 + 1029], 5) },
      options: { p: 0.7, seed: 3, step: 2 },
    },
  ],
  refusals: [
    {
      name: 'p = 1',
      code: 'ERR_ARGUMENT',
      call: (device) => dropout(device.zeros([2]), { p: 1, seed: 0, step: 0 }),
    },
    {
      name: 'a seed of more than 32 bits',
      code: 'ERR_ARGUMENT',
      call: (device) => dropout(device.zeros([2]), { p: 0.5, seed: 2 ** 32, step: 0 }),
    },
    {
      name: 'no step',
      code: 'ERR_ARGUMENT',
      call: (device) => dropout(device.zeros([2]), { p: 0.5, seed: 0 } as DropoutOptions),
    },
  ],
});

describe('the mask of dropout', () => {
  const count = 100_000;

  async function mask(seed: number, step: number, threads: number): Promise<Float32Array> {
    using device = await openDevice('cpu', { threads });
    using x = device.full([count], 1);
    using y = dropout(x, { p: 0.25, seed, step });
    return await y.data();
  }

  it('drops the fraction p, within four standard deviations', async () => {
    const dropped = (await mask(5, 0, 2)).filter((value) => value === 0).length;
    expect(Math.abs(dropped - count / 4)).toBeLessThan(4 * Math.sqrt(count * 0.25 * 0.75));
  });

  it('depends on step and seed, but not on the number of threads', async () => {
    const first = await mask(5, 0, 1);
    expect(await mask(5, 0, 2)).toEqual(first);
    expect(await mask(5, 1, 2)).not.toEqual(first);
    expect(await mask(6, 0, 2)).not.toEqual(first);
  });
});
