/** Modules: names, modes, and errors for a state_dict that does not match. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Device } from '#spinegrad/engine/device.js';
import type { TypedArray } from '#spinegrad/engine/dtype.js';
import { openDevice } from '#spinegrad/engine/openDevice.js';
import { readSafetensors, type StoredTensor, writeSafetensors } from '#spinegrad/io/safetensors.js';
import { BatchNorm2d, Conv2d } from '#spinegrad/nn/layers.js';
import { Module } from '#spinegrad/nn/module.js';
import { ResNet } from '#spinegrad/nn/resnet.js';
import { RandomStream } from '#spinegrad/random.js';

let device: Device;
beforeEach(async () => {
  device = await openDevice('cpu', { threads: 1 });
});
afterEach(() => device.close());

/** A convolution and a batch norm. */
class Pair extends Module {
  readonly conv: Conv2d;
  readonly norm: BatchNorm2d;

  constructor(seed: number) {
    super();
    const build = { device, random: new RandomStream(seed) };
    this.conv = this.child('conv', new Conv2d(build, 1, 2, 3, { bias: true }));
    this.norm = this.child('norm', new BatchNorm2d(build, 2));
  }
}

const NAMES = [
  'conv.weight',
  'conv.bias',
  'norm.weight',
  'norm.bias',
  'norm.running_mean',
  'norm.running_var',
];

async function dictionary(
  module: Module,
): Promise<Map<string, { shape: readonly number[]; data: Float32Array }>> {
  const entries = [...module.state()].map(
    async ([name, tensor]) => [name, { shape: tensor.shape, data: await tensor.data() }] as const,
  );
  return new Map(await Promise.all(entries));
}

describe('Module', () => {
  it('names tensors by their path; parameters require gradients, buffers do not', () => {
    using pair = new Pair(1);
    expect([...pair.state().keys()]).toEqual(NAMES);
    expect([...pair.parameters().keys()]).toEqual(NAMES.slice(0, 4));
    const trainable = [...pair.state()].filter(([, tensor]) => tensor.requiresGrad).map(([name]) => name);
    expect(trainable).toEqual(NAMES.slice(0, 4));
  });

  it('applies train() and eval() to its children', () => {
    using pair = new Pair(1);
    const modes = () => [pair, pair.conv, pair.norm].map(({ training }) => training);
    expect(modes()).toEqual([true, true, true]);
    expect(pair.eval()).toBe(pair);
    expect(modes()).toEqual([false, false, false]);
    pair.train();
    expect(modes()).toEqual([true, true, true]);
  });

  it('disposes its children', () => {
    const before = device.memory().tensors;
    new Pair(1).dispose();
    expect(device.memory().tensors).toBe(before);
  });

  it('keeps its bits when saved to a file and loaded', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'spinegrad-module-'));
    try {
      const path = join(folder, 'weights.safetensors');
      const make = (seed: number) =>
        new ResNet({ device, random: new RandomStream(seed) }, { depth: 18, width: 3 });
      using source = make(1);
      using target = make(2);
      await writeSafetensors(path, await dictionary(source));
      target.load(await readSafetensors(path), path);
      expect(await dictionary(target)).toEqual(await dictionary(source));
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});

describe('load', () => {
  type Stored = { shape: readonly number[]; data: TypedArray | Float64Array };
  const counter: StoredTensor = { dtype: 'I64', shape: [], data: Float64Array.of(7) };

  /** Expects ERR_WEIGHTS with file, tensor, found and expected, and that nothing is loaded. */
  async function expectError(
    change: (tensors: Map<string, Stored>) => void,
    message: string,
    ignore?: RegExp,
  ): Promise<void> {
    using source = new Pair(1);
    using target = new Pair(2);
    const before = await dictionary(target);
    const tensors: Map<string, Stored> = await dictionary(source);
    change(tensors);
    expect(() => target.load(tensors, 'a.safetensors', ignore ? { ignore } : {})).toThrowError(
      expect.objectContaining({ name: 'SpinegradError', code: 'ERR_WEIGHTS', message }),
    );
    expect(await dictionary(target)).toEqual(before);
  }

  it("accepts PyTorch's counters, and other names if they match `ignore`", async () => {
    using source = new Pair(1);
    using target = new Pair(2);
    const tensors: Map<string, Stored> = await dictionary(source);
    tensors.set('norm.num_batches_tracked', counter);
    tensors.set('fc.weight', { shape: [1], data: Float32Array.of(1) });
    expect(target.load(tensors, 'a.safetensors', { ignore: /^fc\./ })).toBe(target);
    expect(await dictionary(target)).toEqual(await dictionary(source));
  });

  it.each([Number.NaN, Infinity, -Infinity])(
    'throws ERR_NOT_FINITE for %d and loads nothing',
    async (value) => {
      using source = new Pair(1);
      using target = new Pair(2);
      const before = await dictionary(target);
      const tensors = await dictionary(source);
      tensors.get('norm.running_var')!.data[1] = value;
      expect(() => target.load(tensors, 'a.safetensors')).toThrowError(
        expect.objectContaining({
          code: 'ERR_NOT_FINITE',
          message: expect.stringContaining(
            `a.safetensors: 'norm.running_var': found ${value} at index 1 of 2`,
          ),
        }),
      );
      expect(await dictionary(target)).toEqual(before);
    },
  );

  it('throws ERR_WEIGHTS for a missing tensor', () =>
    expectError(
      (tensors) => tensors.delete('norm.running_var'),
      "a.safetensors: found no tensor 'norm.running_var', expected one of shape [2]; check that the weights belong to this network",
    ));

  it('throws ERR_WEIGHTS for another shape of the same size', () =>
    expectError(
      (tensors) => tensors.set('conv.weight', { shape: [1, 2, 3, 3], data: new Float32Array(18) }),
      "a.safetensors: found 'conv.weight' as Float32Array of shape [1,2,3,3], expected a Float32Array of shape [2,1,3,3]",
    ));

  it('throws ERR_WEIGHTS for another type', () =>
    expectError(
      (tensors) => tensors.set('norm.bias', { shape: [2], data: new Int32Array(2) }),
      "a.safetensors: found 'norm.bias' as Int32Array of shape [2], expected a Float32Array of shape [2]",
    ));

  it('throws ERR_WEIGHTS for an unknown name', () =>
    expectError(
      (tensors) => tensors.set('fc.weight', { shape: [1], data: Float32Array.of(1) }),
      "a.safetensors: found the tensor 'fc.weight', expected only names of this network; check that the weights belong to it",
      /^head\./,
    ));
});
