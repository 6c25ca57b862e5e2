/**
 * CUDA kernels at sizes that one pass of their loops does not cover: more elements than the simulator's device runs threads
 * (4 multiprocessors x 2,048), more rows than a block adds, more tiles than a split has. They must give the results of the
 * CPU. Runs only if the device under test is a CUDA device.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { backward } from '#spinegrad/engine/autograd.js';
import type { Device } from '#spinegrad/engine/device.js';
import { openDevice } from '#spinegrad/engine/openDevice.js';
import { attentionPool } from '#spinegrad/engine/ops/attentionPool.js';
import { batchNorm2d } from '#spinegrad/engine/ops/batchNorm2d.js';
import { concat } from '#spinegrad/engine/ops/concat.js';
import { conv2d } from '#spinegrad/engine/ops/conv2d.js';
import { dropout } from '#spinegrad/engine/ops/dropout.js';
import { mul, relu } from '#spinegrad/engine/ops/elementwise.js';
import { focalLoss } from '#spinegrad/engine/ops/focalLoss.js';
import { gather } from '#spinegrad/engine/ops/gather.js';
import { globalAvgPool2d } from '#spinegrad/engine/ops/globalAvgPool2d.js';
import { infoNCE } from '#spinegrad/engine/ops/infoNCE.js';
import { l2Normalize } from '#spinegrad/engine/ops/l2Normalize.js';
import { linear } from '#spinegrad/engine/ops/linear.js';
import { logSoftmax } from '#spinegrad/engine/ops/logSoftmax.js';
import { maxPool2d } from '#spinegrad/engine/ops/maxPool2d.js';
import { mse } from '#spinegrad/engine/ops/mse.js';
import { softArgmax2d } from '#spinegrad/engine/ops/softArgmax2d.js';
import { softmax } from '#spinegrad/engine/ops/softmax.js';
import { sum } from '#spinegrad/engine/ops/sum.js';
import { upsample2d } from '#spinegrad/engine/ops/upsample2d.js';
import type { Tensor } from '#spinegrad/engine/tensor.js';
import { DEVICE } from '../device.js';
import { type Input, integers, labels, normals } from './descriptor.js';

interface Case {
  name: string;
  /** Inputs with a gradient first. */
  inputs: Input[];
  differentiable?: number;
  run: (inputs: Tensor[], device: Device) => Tensor;
  /** Largest difference, relative to the largest value; default: float32 sums in another order. */
  allowed?: number;
}

const elements = 40_003;
const rows = 300;
const identity = (size: number): Input => ({
  shape: [size],
  values: new Int32Array(size).map((_, index) => (index * 7) % 300),
});
const ones = (shape: number[]): Input => ({
  shape,
  values: new Uint8Array(shape.reduce((a, b) => a * b)).fill(1),
});

const CASES: Case[] = [
  { name: 'relu', inputs: [normals([elements], 1)], run: ([x]) => relu(x!) },
  {
    name: 'dropout',
    inputs: [normals([elements], 1)],
    run: ([x]) => dropout(x!, { p: 0.3, seed: 1, step: 2 }),
  },
  {
    name: 'mse',
    inputs: [normals([elements], 1), normals([elements], 2)],
    differentiable: 1,
    run: ([x, y]) => mse(x!, y!),
  },
  { name: 'sum', inputs: [normals([elements], 1)], run: ([x]) => sum(x!) },
  {
    name: 'concat',
    inputs: [normals([2, 8, 50, 90], 1), normals([2, 8, 50, 90], 2)],
    run: ([a, b]) => concat([a!, b!], 1),
  },
  { name: 'maxPool2d', inputs: [normals([1, 8, 2, 2000], 1)], run: ([x]) => maxPool2d(x!, 2) },
  { name: 'upsample2d', inputs: [normals([1, 8, 2, 2000], 1)], run: ([x]) => upsample2d(x!) },
  {
    name: 'globalAvgPool2d',
    inputs: [normals([2200, 16, 1, 2], 1)],
    run: ([x]) => globalAvgPool2d(x!),
  },
  { name: 'l2Normalize', inputs: [normals([rows, 5], 1)], run: ([x]) => l2Normalize(x!) },
  { name: 'softmax', inputs: [normals([rows, 5], 1)], run: ([x]) => softmax(x!) },
  { name: 'logSoftmax', inputs: [normals([rows, 5], 1)], run: ([x]) => logSoftmax(x!) },
  {
    name: 'attentionPool',
    inputs: [normals([2 * rows, 40], 1), normals([2 * rows], 2), ones([rows, 2])],
    differentiable: 2,
    run: ([embeddings, scores, mask]) => attentionPool(embeddings!, scores!, mask!),
  },
  {
    name: 'attentionPool, many groups',
    inputs: [normals([9000, 1], 1), normals([9000], 2), ones([9000, 1])],
    differentiable: 2,
    run: ([embeddings, scores, mask]) => attentionPool(embeddings!, scores!, mask!),
  },
  {
    name: 'focalLoss, softmax',
    inputs: [normals([9000, 3], 1), labels([9000], 2, 3)],
    differentiable: 1,
    run: ([logits, targets]) => focalLoss(logits!, targets!, { gamma: 2 }),
  },
  {
    name: 'focalLoss, sigmoid',
    inputs: [normals([3000, 3], 1), { shape: [3000, 3], values: integers([3000, 3], 2).values.map(isOdd) }],
    differentiable: 1,
    run: ([logits, targets]) => focalLoss(logits!, targets!, { form: 'sigmoid', gamma: 2 }),
  },
  {
    name: 'gather, long rows',
    inputs: [normals([3, 9000], 1), { shape: [4], values: Int32Array.of(2, 0, 2, 1) }],
    differentiable: 1,
    run: ([x, indices]) => gather(x!, indices!),
  },
  {
    name: 'gather, many rows',
    inputs: [normals([300, 3], 1), identity(9000)],
    differentiable: 1,
    run: ([x, indices]) => gather(x!, indices!),
  },
  { name: 'softArgmax2d', inputs: [normals([1, 2, 90, 110], 1)], run: ([x]) => softArgmax2d(x!) },
  {
    name: 'batchNorm2d, many channels',
    inputs: [normals([2, 8200, 1, 2], 1), normals([8200], 2), normals([8200], 3)],
    run: ([x, weight, bias], device) => {
      const [mean, variance] = [0, 1].map((value) => device.full([8200], value));
      return batchNorm2d(x!, weight!, bias!, mean!, variance!, { training: true });
    },
    allowed: 1e-4, // of two values per channel, which may be close
  },
  {
    name: 'batchNorm2d, many chunks of pixels',
    inputs: [normals([3, 9, 40, 41], 1), normals([9], 2), normals([9], 3)],
    run: ([x, weight, bias], device) => {
      const [mean, variance] = [0, 1].map((value) => device.full([9], value));
      return batchNorm2d(x!, weight!, bias!, mean!, variance!, { training: true });
    },
  },
  {
    name: 'conv2d, dw of many values in several splits',
    inputs: [integers([2, 16, 20, 20], 1), integers([72, 16, 3, 3], 2)],
    run: ([x, weight]) => conv2d(x!, weight!, { padding: 1 }),
    allowed: 0,
  },
  {
    name: 'linear, plain kernels, many rows',
    inputs: [integers([3000, 8], 1), integers([3, 8], 2), integers([3], 3)],
    run: ([x, weight, bias]) => linear(x!, weight!, bias!),
    allowed: 0,
  },
  {
    name: 'linear, plain kernels, many features',
    inputs: [integers([2, 4000], 1), integers([3, 4000], 2), integers([3], 3)],
    run: ([x, weight, bias]) => linear(x!, weight!, bias!),
    allowed: 0,
  },
  {
    name: 'linear, many outputs',
    inputs: [integers([2, 4], 1), integers([8200, 4], 2), integers([8200], 3)],
    run: ([x, weight, bias]) => linear(x!, weight!, bias!),
    allowed: 0,
  },
  ...(['inside', 'outside'] as const).map((mean) => ({
    name: `infoNCE, ${mean}`,
    inputs: [normals([1100, 8], 1), labels([1100], 2, 300)],
    differentiable: 1,
    run: ([x, groups]: Tensor[]) => infoNCE(l2Normalize(x!), groups!, { mean, temperature: 0.2 }),
    allowed: 1e-4,
  })),
];

function isOdd(value: number): number {
  return Math.abs(value) % 2;
}

describe.skipIf(!DEVICE.startsWith('cuda'))('the CUDA kernels at large sizes', () => {
  let devices: Device[];
  beforeAll(async () => {
    devices = [await openDevice('cpu'), await openDevice(DEVICE)];
  });
  afterAll(() => {
    for (const device of devices) device.close();
  });

  /** The value, and the gradients of sum(y * cotangent) with a cotangent of integers. */
  async function compute(device: Device, { inputs, differentiable, run }: Case): Promise<Float32Array[]> {
    const tensors = inputs.map(({ shape, values }) =>
      device.tensor(ArrayBuffer.isView(values) ? values : Float32Array.from(values), shape).keep(),
    );
    const trained = tensors.slice(0, differentiable ?? tensors.length);
    for (const tensor of trained) tensor.requiresGrad = true;
    const y = run(tensors, device).keep();
    const results = [(await y.data()) as Float32Array];
    backward(sum(mul(y, device.tensor(Float32Array.from(integers(y.shape, 9).values), y.shape))));
    for (const { grad } of trained) results.push((await grad!.data()) as Float32Array);
    return results;
  }

  it.each(CASES.map((one) => [one.name, one] as const))('%s: equal the CPU', async (_, one) => {
    const [expected, found] = await Promise.all(devices.map((device) => compute(device, one)));
    expected!.forEach((values, index) => {
      const allowed = (one.allowed ?? 1e-5) * values.reduce((a, b) => Math.max(a, Math.abs(b)), 0);
      const wrong = values.findIndex((value, i) => !(Math.abs(found![index]![i]! - value) <= allowed));
      expect({ result: index, wrong }).toEqual({ result: index, wrong: -1 });
    });
  });
});
