/** unet() equals the network of test/oracles/unet.py in results and gradients, and has the stated shapes. */
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { backward, noGrad } from '#spinegrad/engine/autograd.js';
import type { Device } from '#spinegrad/engine/device.js';
import { openDevice } from '#spinegrad/engine/openDevice.js';
import { bceWithLogits } from '#spinegrad/engine/ops/bceWithLogits.js';
import { mul } from '#spinegrad/engine/ops/elementwise.js';
import { sum } from '#spinegrad/engine/ops/sum.js';
import type { Tensor } from '#spinegrad/engine/tensor.js';
import { tidy } from '#spinegrad/engine/tidy.js';
import { readSafetensors } from '#spinegrad/io/safetensors.js';
import { foldBatchNorms } from '#spinegrad/nn/fold.js';
import { type UNet, type UNetOptions, unet } from '#spinegrad/nn/unet.js';
import { AdamW } from '#spinegrad/optim/adamW.js';
import { RandomStream } from '#spinegrad/random.js';
import golden from './golden/unet.json' with { type: 'json' };
import { expectWithin, patternOn, type Result } from './golden.js';

let device: Device;
beforeEach(async () => {
  device = await openDevice('cpu', { threads: 2 });
});
afterEach(() => device.close());

const build = () => ({ device, random: new RandomStream(7) });
const pattern = (shape: readonly number[]): Tensor => patternOn(device, shape);

describe('with weights written by PyTorch', () => {
  const path = fileURLToPath(new URL('golden/unet.safetensors', import.meta.url));
  const results = golden.results as Record<string, Result>;
  const load = async () => unet(build(), golden.options).load(await readSafetensors(path), path);

  it('gives the bottleneck and logits in eval mode', async () => {
    using network = (await load()).eval();
    const { bottleneck, logits } = noGrad(() =>
      tidy(() => {
        const maps = network.encode(pattern(golden.shape));
        return { bottleneck: maps.at(-1)!, logits: network.decode(maps) };
      }),
    );
    expectWithin(await bottleneck.data(), results['eval bottleneck']!, 'bottleneck');
    expectWithin(await logits.data(), results['eval logits']!, 'logits');
  });

  it('gives all gradients and running statistics of a training step', async () => {
    using network = await load();
    const logits = network.forward(pattern(golden.shape)).keep();
    backward(sum(mul(logits, pattern(logits.shape))));
    expectWithin(await logits.data(), results['train logits']!, 'logits');
    const parameters = network.parameters();
    const state = network.state();
    const compared = Object.entries(results).filter(([key]) => !/^(eval|train) /.test(key));
    expect(compared.length).toBe(state.size);
    for (const [key, result] of compared) {
      const [kind, name] = key.split(' ') as [string, string];
      const tensor = kind === 'gradient' ? parameters.get(name)!.grad! : state.get(name)!;
      expectWithin(await tensor.data(), result, key);
    }
    logits.dispose();
  });
});

describe('unet', () => {
  it.each<[UNetOptions, number[], number[]]>([
    [{ outputs: 1 }, [2, 1, 32, 48], [2, 128, 4, 6]],
    [{ outputs: 3, width: 5, levels: 2, inputChannels: 2 }, [2, 3, 32, 48], [2, 10, 16, 24]],
    [{ outputs: 2, width: 4, levels: 5, outputStride: 2 }, [2, 2, 16, 24], [2, 64, 2, 3]],
    [{ outputs: 1, width: 4, levels: 2, outputStride: 2 }, [2, 1, 16, 24], [2, 8, 16, 24]],
  ])('%j maps 32x48 pixels to logits %j, with the bottleneck %j', async (options, shape, bottleneck) => {
    using network = unet(build(), options);
    const maps = tidy(() => network.encode(pattern([2, options.inputChannels ?? 1, 32, 48])));
    using logits = tidy(() => network.decode(maps));
    expect(maps.at(-1)!.shape).toEqual(bottleneck);
    expect([network.features, 32 / network.stride]).toEqual([bottleneck[1], bottleneck[2]]);
    expect(logits.shape).toEqual(shape);
    expect((await logits.data()).every(Number.isFinite)).toBe(true);
    for (const map of maps) map.dispose();
  });

  it.each([1, 2] as const)(
    'has a gradient for every parameter with outputStride %i',
    async (outputStride) => {
      using network = unet(build(), { outputs: 2, width: 4, levels: 3, outputStride });
      const logits = network.forward(pattern([2, 1, 16, 16]));
      const targets = device.full(logits.shape, 1);
      tidy(() => backward(bceWithLogits(logits, targets)));
      for (const [name, parameter] of network.parameters()) {
        const gradient = await parameter.grad!.data();
        expect(gradient.every(Number.isFinite), name).toBe(true);
        expect(
          gradient.some((value) => value !== 0),
          name,
        ).toBe(true);
      }
    },
  );

  it('learns a mask', async () => {
    using network = unet(build(), { outputs: 1, width: 4, levels: 3 });
    const optimizer = new AdamW(network.parameters(), { learningRate: 0.02, weightDecay: 0 });
    using image = pattern([2, 1, 16, 16]).keep();
    const inside = (i: number) => Math.hypot((i % 16) - 5, (Math.floor(i / 16) % 16) - 9) < 3;
    const mask = Float32Array.from({ length: 2 * 256 }, (_, i) => Number(inside(i)));
    using target = device.tensor(mask, [2, 1, 16, 16]).keep();
    const losses: number[] = [];
    for (let i = 0; i < 60; i++) {
      using loss = tidy(() => {
        const value = bceWithLogits(network.forward(image), target).keep();
        backward(value);
        optimizer.step();
        optimizer.zeroGrad();
        return value;
      });
      losses.push(await loss.item());
    }
    const fraction = mask.reduce((total, value) => total + value) / mask.length;
    const constant = -(fraction * Math.log(fraction) + (1 - fraction) * Math.log(1 - fraction));
    expect(losses[0]).toBeCloseTo(Math.LN2, 1); // the first logits are near 0
    expect(losses.at(-1)).toBeLessThan(constant / 2);
  });

  it('folds its batch norms into the convolutions', async () => {
    using network = unet(build(), { outputs: 1, width: 4, levels: 3 });
    for (let i = 0; i < 3; i++) noGrad(() => tidy(() => void network.forward(pattern([3, 1, 16, 16]))));
    network.eval();
    const logits = async () => {
      using y = noGrad(() => tidy(() => network.forward(pattern([2, 1, 16, 16]))));
      return y.data();
    };
    const expected = await logits();
    await foldBatchNorms(network);
    const found = await logits();
    const largest = Math.max(...expected.map(Math.abs));
    const error = Math.max(...expected.map((value, i) => Math.abs(value - found[i]!)));
    // As in fold.test.ts: about 4 u for each of the 13 convolutions, times 8.
    expect(error / largest).toBeLessThan(8 * 13 * 4 * 2 ** -24);
    expect([...network.state().keys()].filter((name) => /bn\d/.test(name))).toEqual([]);
  });

  it('gives the same bits for the same seed', async () => {
    const gradients = async () => {
      using network = unet(build(), { outputs: 1, width: 4, levels: 3 });
      tidy(() => backward(sum(network.forward(pattern([2, 1, 24, 16])))));
      return Promise.all([...network.parameters().values()].map(({ grad }) => grad!.data()));
    };
    expect(await gradients()).toEqual(await gradients());
  });

  it('keeps only parameters, buffers and gradients, and frees them in dispose()', () => {
    const before = device.memory().tensors;
    const network: UNet = unet(build(), { outputs: 1, width: 4, levels: 3 });
    const state = network.state().size;
    for (let i = 0; i < 2; i++) {
      tidy(() => backward(sum(network.forward(pattern([1, 1, 16, 16])))));
      expect(device.memory().tensors).toBe(before + state + network.parameters().size);
    }
    network.dispose();
    expect(device.memory().tensors).toBe(before);
  });

  it.each<[string, Partial<UNetOptions>]>([
    ['outputs', { outputs: 0 }],
    ['width', { width: 1.5 }],
    ['levels', { levels: 1 }],
    ['levels', { levels: 7 }],
    ['inputChannels', { inputChannels: 0 }],
    ['outputStride', { outputStride: 4 as 2 }],
  ])('throws ERR_ARGUMENT for a bad %s: %j', (argument, options) => {
    expect(() => unet(build(), { outputs: 1, ...options })).toThrowError(
      expect.objectContaining({
        code: 'ERR_ARGUMENT',
        message: expect.stringContaining(`UNet(): ${argument}:`),
      }),
    );
  });

  it('throws ERR_SHAPE for sides that are no multiple of its stride and for another number of channels', () => {
    using network = unet(build(), { outputs: 1, width: 2, levels: 3 });
    for (const shape of [
      [1, 1, 18, 16],
      [1, 1, 16, 6],
      [1, 2, 16, 16],
    ]) {
      expect(() => network.forward(device.zeros(shape))).toThrowError(
        expect.objectContaining({ code: 'ERR_SHAPE' }),
      );
    }
  });
});
