/** The cases of bench:kernels are complete and correct, and all of them run. Times are not tested. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { noGrad } from '#spinegrad/engine/autograd.js';
import '#spinegrad/index.js'; // defines the contracts of all operations
import { type Contract, contracts, type Fields, type Values } from '#spinegrad/engine/contract.js';
import type { Device } from '#spinegrad/engine/device.js';
import { openDevice } from '#spinegrad/engine/openDevice.js';
import type { Tensor } from '#spinegrad/engine/tensor.js';
import { tidy } from '#spinegrad/engine/tidy.js';
import { resnet18 } from '#spinegrad/nn/resnet.js';
import { RandomStream } from '#spinegrad/random.js';
import { recordCase } from '../../bench/kernels/calls.js';
import { OPERATIONS } from '../../bench/kernels/cases.js';
import { ONCE, Stopwatch } from '../../bench/kernels/measure.js';
import { batchNorms, convolutions, parameters, SMALL } from '../../bench/kernels/resnet18.js';
import { peaksOf } from '../../bench/kernels/roofline.js';
import { costsOf, roofline, timeCalls } from '../../bench/kernels/run.js';
import { summarize } from '../../bench/lib/summary.js';
import { formatNumber } from '../../bench/lib/table.js';
import { DEVICE } from '../device.js';

const root = join(import.meta.dirname, '..', '..');
const names = Object.keys(OPERATIONS);

describe('the cases', () => {
  let device: Device;
  beforeAll(async () => {
    device = await openDevice('cpu');
  });
  afterAll(() => device.close());

  it('include every operation of the engine', () => {
    const operations = new Set(contracts().map(({ name }) => name.split('.')[0]!));
    expect(names.toSorted()).toEqual([...operations].sort());
  });

  it('include every native call', () => {
    const registered = contracts().map(({ name }) => name);
    expect(registered.length).toBeGreaterThan(50);
    const recorded = new Set(costsOf(device, SMALL, names).map(({ call }) => call));
    expect(registered.filter((call) => !recorded.has(call))).toEqual([]);
  });

  it.each(names)('of %s give FLOP and bytes only for recorded calls', (name) => {
    const cases = OPERATIONS[name]!.cases(SMALL);
    const timed = cases.flatMap((benchCase) => recordCase(device, name, OPERATIONS[name]!, benchCase).timed);
    const named = cases.flatMap(({ flops, bytes }) => [
      ...Object.keys(flops ?? {}),
      ...Object.keys(bytes ?? {}),
    ]);
    expect(timed.map(({ operation }) => operation)).toEqual(
      expect.arrayContaining(named.map((pass) => `${name}.${pass}`)),
    );
  });

  it('have the shapes of the layers of ResNet-18', async () => {
    const network = resnet18({ device, random: new RandomStream(1) }, { width: SMALL.width });
    const found: string[] = [];
    const run = device.run;
    device.run = (contract: Contract, values: Values<Fields>) => {
      const { x, weight, residual } = values as Record<string, Tensor | undefined>;
      const { strideH, relu } = values;
      const [, c, side] = x?.shape ?? [];
      const [k, , filter] = weight?.shape ?? [];
      if (contract.name === 'conv2d.fprop') found.push(`conv ${c} ${k} ${filter} ${strideH} ${side}`);
      if (contract.name === 'batchNorm2d.forward') found.push(`norm ${c} ${side} ${relu} ${!!residual}`);
      run.call(device, contract, values);
    };
    tidy(() => noGrad(() => network.forward(device.zeros([2, 1, SMALL.side, SMALL.side])))).dispose();
    Reflect.deleteProperty(device, 'run');
    const expected = [
      ...convolutions(SMALL).flatMap(({ c, k, filter, stride, side, count }) =>
        Array<string>(count).fill(`conv ${c} ${k} ${filter} ${stride} ${side}`),
      ),
      ...batchNorms(SMALL).flatMap(({ c, side, relu, residual, count }) =>
        Array<string>(count).fill(`norm ${c} ${side} ${relu} ${residual}`),
      ),
    ];
    expect(found.sort()).toEqual(expected.sort());
    const shapes = [...network.parameters().values()].map(({ shape }) => String(shape));
    expect(parameters(SMALL).map(String).sort()).toEqual(shapes.sort());
    for (const tensor of network.state().values()) tensor.dispose();
  });

  it('give the roofline table of docs/kernels.md', () => {
    expect(readFileSync(join(root, 'docs/kernels.md'), 'utf8')).toContain(roofline(device, names));
  });
});

describe('a dry run', () => {
  let stopwatch: Stopwatch;
  beforeAll(async () => {
    const device = await openDevice(DEVICE);
    stopwatch = new Stopwatch(device, ONCE);
  });
  afterAll(() => stopwatch.device.close());

  it.each(names)('runs %s', async (name) => {
    const before = stopwatch.device.memory().tensors;
    let calls = 0;
    for await (const { bytes, timing } of timeCalls(stopwatch, SMALL, [name])) {
      expect(bytes).toBeGreaterThan(0);
      expect(timing.median).toBeGreaterThanOrEqual(0);
      calls++;
    }
    expect(calls).toBeGreaterThan(0);
    expect(stopwatch.device.memory().tensors).toBe(before);
  });
});

it('peaksOf knows no peak if the driver reports a clock of 0', async () => {
  const properties = {
    computeCapability: 90,
    multiprocessors: 60,
    clockHz: 2e9,
    memoryClockHz: 0,
    memoryBusBits: 5120,
  };
  const { bandwidth, flops } = await peaksOf({ name: 'cuda:0', properties } as unknown as Device);
  expect(bandwidth).toBeNaN();
  expect(flops).toBeGreaterThan(1e14);
});

it('formatNumber returns three significant digits', () => {
  expect([0.012345, 1.5, 20, 180, 999.6, 12345.6, Number.NaN].map(formatNumber)).toEqual([
    '0.0123',
    '1.5',
    '20',
    '180',
    '1000',
    '12346',
    '-',
  ]);
});

it('summarize returns the median and the quartiles', () => {
  expect(summarize([5, 1, 4, 2, 3])).toEqual({ median: 3, quartiles: [2, 4], fastest: 1, samples: 5 });
  expect(summarize([4, 1]).median).toBe(2.5);
});
