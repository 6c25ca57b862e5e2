import { expect, it } from 'vitest';
import { backward } from '#spinegrad/engine/autograd.js';
import type { Device } from '#spinegrad/engine/device.js';
import { openDevice } from '#spinegrad/engine/openDevice.js';
import { type BatchNorm2dOptions, batchNorm2d } from '#spinegrad/engine/ops/batchNorm2d.js';
import { sum } from '#spinegrad/engine/ops/sum.js';
import type { Tensor } from '#spinegrad/engine/tensor.js';
import { DEVICE } from '../device.js';
import {
  describeOperation,
  type Input,
  normals,
  type OperationCase,
  type Reference,
  uniforms,
} from './descriptor.js';

type Options = Pick<BatchNorm2dOptions, 'training' | 'relu' | 'eps'>;

interface Statistics {
  mean: number[];
  variance: number[];
}

function statistics({ shape, values }: Reference): Statistics {
  const [n, c, h, w] = shape as [number, number, number, number];
  const size = n * h * w;
  const mean: number[] = Array(c).fill(0);
  const variance: number[] = Array(c).fill(0);
  const channel = (i: number): number => Math.floor(i / (h * w)) % c;
  values.forEach((value, i) => {
    mean[channel(i)]! += value / size;
  });
  values.forEach((value, i) => {
    variance[channel(i)]! += (value - mean[channel(i)]!) ** 2 / size;
  });
  return { mean, variance };
}

function reference(inputs: Record<string, Reference>, { training, relu, eps = 1e-5 }: Options): Float64Array {
  const { x, weight, bias, runningMean, runningVariance, residual } = inputs;
  const [, c, h, w] = x!.shape as [number, number, number, number];
  const { mean, variance } = training
    ? statistics(x!)
    : { mean: runningMean!.values, variance: runningVariance!.values };
  return x!.values.map((value, i) => {
    const k = Math.floor(i / (h * w)) % c;
    const normalised = (value - mean[k]!) / Math.sqrt(variance[k]! + eps);
    const y = weight!.values[k]! * normalised + bias!.values[k]! + (residual?.values[i] ?? 0);
    return relu ? Math.max(y, 0) : y;
  });
}

function positives(channels: number, seed: number): Input {
  const next = uniforms(seed);
  return { shape: [channels], values: Array.from({ length: channels }, () => 0.5 + next()) };
}

function inputsOf(shape: [number, number, number, number], residual = false): Record<string, Input> {
  const [, c] = shape;
  return {
    x: normals(shape, 1),
    weight: normals([c], 2),
    bias: normals([c], 3),
    runningMean: normals([c], 4),
    runningVariance: positives(c, 5),
    ...(residual && { residual: normals(shape, 6) }),
  };
}

const WITH_RESIDUAL = ['x', 'weight', 'bias', 'residual'];

const cases = [true, false].flatMap((training): OperationCase<Options>[] => {
  const mode = training ? 'training' : 'inference';
  return [
    { name: `${mode}: odd sizes`, inputs: inputsOf([3, 5, 7, 3]), options: { training } },
    { name: `${mode}: batch 1`, inputs: inputsOf([1, 17, 5, 5]), options: { training } },
    {
      name: `${mode}: two values per channel`,
      inputs: inputsOf([2, 3, 1, 1]),
      options: { training, eps: 0.1 },
    },
    { name: `${mode}: full channel blocks`, inputs: inputsOf([2, 32, 3, 3]), options: { training } },
    { name: `${mode}: ReLU`, inputs: inputsOf([2, 6, 4, 5]), options: { training, relu: true } },
    {
      name: `${mode}: residual`,
      inputs: inputsOf([2, 3, 5, 5], true),
      options: { training },
      differentiable: WITH_RESIDUAL,
    },
    {
      name: `${mode}: residual and ReLU`,
      inputs: inputsOf([2, 18, 3, 5], true),
      options: { training, relu: true },
      differentiable: WITH_RESIDUAL,
    },
  ];
});

const call = (device: Device, channels: number, shape: number[], options?: BatchNorm2dOptions): Tensor => {
  const [weight, bias, mean, variance] = Array.from({ length: 4 }, () => device.zeros([channels])) as [
    Tensor,
    Tensor,
    Tensor,
    Tensor,
  ];
  return batchNorm2d(device.zeros(shape), weight, bias, mean, variance, options);
};

describeOperation<Options>({
  name: 'batchNorm2d',
  run: ({ x, weight, bias, runningMean, runningVariance, residual }, options) =>
    batchNorm2d(x!, weight!, bias!, runningMean!, runningVariance!, { ...options, residual }),
  reference,
  differentiable: ['x', 'weight', 'bias'],
  tolerance: {
    units: 32,
    gradientUnits: 128,
    reason:
      'sums of up to 63 values; dx is the difference of three terms of similar size, each with such a sum',
  },
  golden: true,
  cases: [
    ...cases,
    {
      name: 'training: a mean far from 0 and from the running mean',
      inputs: {
        ...inputsOf([2, 3, 4, 4]),
        x: { shape: [2, 3, 4, 4], values: normals([96], 7).values.map((value) => 1000 + value) },
        runningMean: { shape: [3], values: [0, 0, 0] },
      },
      options: { training: true },
      differentiable: ['weight', 'bias'],
      tolerance: {
        units: 1024,
        reason: 'the mean rounds to float32: half a unit of 1,000, relative to values up to 2',
      },
    },
  ],
  refusals: [
    {
      name: 'a single value per channel',
      code: 'ERR_SHAPE',
      call: (device) => call(device, 2, [1, 2, 1, 1], { training: true }),
    },
    {
      name: 'parameters of another number of channels',
      code: 'ERR_SHAPE',
      call: (device) => call(device, 3, [1, 2, 2, 2]),
    },
    { name: 'a matrix', code: 'ERR_SHAPE', call: (device) => call(device, 2, [1, 2]) },
    { name: 'eps 0', code: 'ERR_ARGUMENT', call: (device) => call(device, 2, [1, 2, 2, 2], { eps: 0 }) },
    {
      name: 'momentum 2',
      code: 'ERR_ARGUMENT',
      call: (device) => call(device, 2, [1, 2, 2, 2], { momentum: 2 }),
    },
    {
      name: 'a residual of another shape',
      code: 'ERR_SHAPE',
      call: (device) => call(device, 2, [1, 2, 2, 2], { residual: device.zeros([1, 2, 2, 1]) }),
    },
  ],
});

it('batchNorm2d moves the running statistics towards the batch, with the unbiased variance', async () => {
  using device = await openDevice(DEVICE);
  const input = normals([2, 5, 3, 4], 1);
  const x = device.tensor(input.values, input.shape);
  const [weight, bias, runningMean] = Array.from({ length: 3 }, () => device.full([5], 0.5)) as [
    Tensor,
    Tensor,
    Tensor,
  ];
  const runningVariance = device.full([5], 2);
  batchNorm2d(x, weight, bias, runningMean, runningVariance, { training: true, momentum: 0.25 });
  const { mean, variance } = statistics({ shape: input.shape, values: Float64Array.from(input.values) });
  const [means, variances] = [await runningMean.data(), await runningVariance.data()];
  for (let c = 0; c < 5; c++) {
    expect(means[c]).toBeCloseTo(0.75 * 0.5 + 0.25 * mean[c]!, 6);
    expect(variances[c]).toBeCloseTo(0.75 * 2 + (0.25 * variance[c]! * 24) / 23, 6);
  }
  batchNorm2d(x, weight, bias, runningMean, runningVariance);
  expect(await runningMean.data()).toEqual(means);
});

// One thread processes all images of a group of channels; if threads outnumber groups, the images are split too.
it('batchNorm2d gives the same bits for any number of threads', async () => {
  const results: Float32Array[][] = [];
  for (const threads of [1, 2, 5]) {
    using device = await openDevice('cpu', { threads });
    const inputs = inputsOf([3, 20, 9, 8], true);
    const tensors = Object.values(inputs).map(({ values, shape }) =>
      device.tensor(values as number[], shape),
    );
    for (const tensor of tensors) tensor.requiresGrad = true;
    const [x, weight, bias, mean, variance, residual] = tensors as [
      Tensor,
      Tensor,
      Tensor,
      Tensor,
      Tensor,
      Tensor,
    ];
    const y = batchNorm2d(x, weight, bias, mean, variance, { training: true, relu: true, residual }).keep();
    using loss = sum(y);
    backward(loss);
    const gradients = [x, weight, bias, residual].map((tensor) => tensor.grad!);
    results.push(
      await Promise.all(
        [y, mean, variance, ...gradients].map((tensor) => tensor.data() as Promise<Float32Array>),
      ),
    );
  }
  expect(results[1]).toEqual(results[0]);
  expect(results[2]).toEqual(results[0]);
});
