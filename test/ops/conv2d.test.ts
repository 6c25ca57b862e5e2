import { expect, it } from 'vitest';
import { openDevice } from '#spinegrad/engine/openDevice.js';
import { conv2d } from '#spinegrad/engine/ops/conv2d.js';
import { sum } from '#spinegrad/engine/ops/sum.js';
import { tidy } from '#spinegrad/engine/tidy.js';
import { DEVICE } from '../device.js';
import {
  describeOperation,
  integers,
  type NumberInput,
  normals,
  type OperationCase,
  type Reference,
  TF32,
} from './descriptor.js';
import { winogradUnits } from './winograd.js';

interface Options {
  stride?: number | [number, number];
  padding?: number | [number, number];
  relu?: boolean;
}

const pair = (value: number | [number, number]): [number, number] =>
  typeof value === 'number' ? [value, value] : value;

function reference(
  { x, weight, bias, residual }: Record<string, Reference>,
  options: Options = {},
): Float64Array {
  const [n, c, h, w] = x!.shape as [number, number, number, number];
  const [k, , r, s] = weight!.shape as [number, number, number, number];
  const stride = pair(options.stride ?? 1);
  const padding = pair(options.padding ?? 0);
  const p = Math.floor((h + 2 * padding[0] - r) / stride[0]) + 1;
  const q = Math.floor((w + 2 * padding[1] - s) / stride[1]) + 1;
  const pixels = x!.values;
  const taps = weight!.values;
  const y = new Float64Array(n * k * p * q);
  for (let index = 0; index < y.length; index++) {
    const image = Math.floor(index / (k * p * q));
    const filter = Math.floor(index / (p * q)) % k;
    const top = (Math.floor(index / q) % p) * stride[0] - padding[0];
    const left = (index % q) * stride[1] - padding[1];
    const firstRow = Math.max(top, 0);
    const endRow = Math.min(top + r, h);
    const firstColumn = Math.max(left, 0);
    const endColumn = Math.min(left + s, w);
    let total = bias?.values[filter] ?? 0;
    for (let channel = 0; channel < c; channel++) {
      for (let row = firstRow; row < endRow; row++) {
        const from = ((image * c + channel) * h + row) * w;
        const tap = ((filter * c + channel) * r + row - top) * s - left;
        for (let column = firstColumn; column < endColumn; column++) {
          total += pixels[from + column]! * taps[tap + column]!;
        }
      }
    }
    total += residual?.values[index] ?? 0;
    y[index] = options.relu ? Math.max(total, 0) : total;
  }
  return y;
}

/** Half-integers: adding them to integers avoids 0, where ReLU has no gradient. */
function halves(shape: readonly number[], seed: number): NumberInput {
  const { values } = integers(shape, seed);
  return { shape, values: values.map((value) => value + 0.5) };
}

/** Small integers: every sum is exact in float32, in any order. */
function exact(
  name: string,
  x: [number, number, number, number],
  filters: [number, number, number],
  options: Options = {},
  bias = false,
): OperationCase<Options> {
  const [k, r, s] = filters;
  const weight = integers([k, x[1], r, s], 2);
  return {
    name,
    inputs: {
      x: integers(x, 1),
      weight,
      ...(bias && { bias: options.relu ? halves([k], 3) : integers([k], 3) }),
    },
    options,
    exact: true,
    differentiable: bias ? ['x', 'weight', 'bias'] : ['x', 'weight'],
    probes: 16,
  };
}

/**
 * Adds a residual of y's shape, and ReLU if `relu`. The gradient of ReLU is checked for exact sums only, because
 * rounding can change the sign of other sums.
 */
function withResidual(
  plain: OperationCase<Options>,
  shape: [number, number, number, number],
  relu = true,
): OperationCase<Options> {
  return {
    ...plain,
    name: `${plain.name}, residual${relu ? ' and ReLU' : ''}`,
    inputs: { ...plain.inputs, residual: halves(shape, 10) },
    options: { ...plain.options, relu },
    differentiable: plain.exact || !relu ? [...Object.keys(plain.inputs), 'residual'] : [],
  };
}

/** A shape for which the CPU uses Winograd's algorithm, with AVX2 and with AVX-512. */
function winograd(
  name: string,
  x: [number, number, number, number],
  k: number,
  padding: number | [number, number],
  bias = false,
  stride = 1,
): OperationCase<Options> {
  return {
    name,
    inputs: {
      x: normals(x, 7),
      weight: normals([k, x[1], 3, 3], 8),
      ...(bias && { bias: normals([k], 9) }),
    },
    options: { padding, stride },
    ...(bias && { differentiable: ['x', 'weight', 'bias'] }),
    probes: 6,
    tolerance: {
      units: winogradUnits(108),
      tf32: TF32,
      reason: 'sums over up to 108 tiles; see winograd.ts',
    },
  };
}

describeOperation<Options>({
  name: 'conv2d',
  run: ({ x, weight, bias, residual }, options) => conv2d(x!, weight!, { ...options, bias, residual }),
  reference,
  differentiable: ['x', 'weight'],
  tolerance: {
    units: 64,
    tf32: TF32,
    reason: 'sums of up to 1,000 products in float32, relative to the largest sum',
  },
  golden: true,
  cases: [
    exact('1x1', [2, 3, 5, 4], [4, 1, 1], {}, true),
    exact('3x3, padding 1', [1, 5, 7, 9], [3, 3, 3], { padding: 1 }, true),
    exact('3x3, no padding', [2, 4, 6, 5], [5, 3, 3]),
    exact('3x3, stride 2', [1, 17, 9, 8], [19, 3, 3], { stride: 2, padding: 1 }),
    exact('1x1, stride 2', [2, 16, 7, 7], [32, 1, 1], { stride: 2 }),
    exact('full channel blocks', [2, 32, 6, 6], [16, 3, 3], { padding: 1 }),
    exact("ResNet's stem, one channel", [2, 1, 17, 15], [16, 7, 7], { stride: 2, padding: 3 }),
    exact("ResNet's stem, three channels", [1, 3, 15, 16], [7, 7, 7], { stride: 2, padding: 3 }, true),
    exact('a wide stem, an odd number of blocks', [2, 2, 8, 60], [24, 7, 7], { stride: 2, padding: 3 }, true),
    exact('a stem of unequal strides', [1, 1, 12, 31], [9, 5, 7], { stride: [3, 2], padding: [0, 9] }, true),
    exact('unequal sides', [1, 2, 8, 11], [3, 2, 5], { stride: [1, 3], padding: [1, 2] }, true),
    exact('a stride larger than the filter', [1, 2, 9, 9], [2, 2, 2], { stride: 4 }),
    exact('a stride larger than the image', [1, 8, 5, 4], [8, 2, 3], { stride: 300 }),
    exact('a stride larger than the image, with phases that no tap reaches', [1, 8, 5, 4], [8, 2, 3], {
      stride: 8,
    }),
    {
      ...exact('a stem of more tiles than a block has', [130, 1, 9, 17], [3, 3, 3], { padding: 1 }, true),
      probes: 2,
    },
    exact('padding larger than the filter', [1, 2, 3, 3], [2, 2, 2], { padding: 3 }),
    exact('a filter as large as the image', [3, 2, 5, 4], [6, 5, 4], {}, true),
    exact('one pixel', [1, 1, 1, 1], [1, 1, 1], {}, true),
    exact('3x3 on one pixel', [2, 20, 1, 1], [18, 3, 3], { padding: 1 }),
    { ...exact("ResNet's first stage", [2, 64, 6, 6], [64, 3, 3], { padding: 1 }), probes: 4 },
    {
      ...exact("ResNet's second stage, first convolution", [2, 64, 7, 6], [128, 3, 3], {
        stride: 2,
        padding: 1,
      }),
      probes: 4,
    },
    { ...exact("ResNet's second stage, shortcut", [2, 64, 7, 6], [128, 1, 1], { stride: 2 }), probes: 4 },
    {
      ...exact("ResNet's third stage, first convolution", [1, 128, 6, 6], [72, 3, 3], {
        stride: 2,
        padding: 1,
      }),
      probes: 2,
    },
    { ...exact("ResNet's fourth stage", [1, 512, 3, 3], [24, 3, 3], { padding: 1 }), probes: 2 },
    {
      ...exact("ResNet's fourth stage, five images", [5, 128, 3, 3], [136, 3, 3], { padding: 1 }, true),
      probes: 2,
    },
    withResidual(
      { ...exact('few pixels', [2, 88, 3, 4], [72, 3, 3], { padding: 1 }, true), probes: 2 },
      [2, 72, 3, 4],
    ),
    { ...exact('few pixels, 1x1', [3, 40, 5, 3], [100, 1, 1], { stride: 2 }), probes: 2 },
    {
      name: 'normals',
      inputs: { x: normals([2, 6, 7, 7], 4), weight: normals([5, 6, 3, 3], 5), bias: normals([5], 6) },
      options: { padding: 1 },
      differentiable: ['x', 'weight', 'bias'],
    },
    ...[
      { name: '1x1', c: 32, side: 1 },
      { name: '3x3', c: 32, side: 3 },
      { name: 'the stem', c: 1, side: 7, stride: 2 },
    ].map(({ name, c, side, stride = 1 }) => ({
      name: `NaN through ReLU, ${name}`,
      inputs: {
        x: {
          shape: [1, c, side + 2, side + 2],
          values: new Array<number>(c * (side + 2) ** 2).fill(Number.NaN),
        },
        weight: integers([32, c, side, side], 2),
      },
      options: { relu: true, stride },
      differentiable: [],
    })),
    withResidual(exact('3x3', [2, 8, 5, 6], [16, 3, 3], { padding: 1 }), [2, 16, 5, 6], false),
    withResidual(
      exact('3x3, stride 2', [2, 8, 7, 6], [11, 3, 3], { padding: 1, stride: 2 }, true),
      [2, 11, 4, 3],
    ),
    withResidual(exact('1x1', [2, 3, 5, 4], [5, 1, 1]), [2, 5, 5, 4]),
    withResidual(exact('the stem', [2, 1, 9, 8], [16, 7, 7], { padding: 3, stride: 2 }), [2, 16, 5, 4]),
    withResidual(exact('the last stage', [2, 64, 3, 3], [64, 3, 3], { padding: 1 }, true), [2, 64, 3, 3]),
    exact('bias and ReLU', [2, 6, 5, 5], [9, 3, 3], { padding: 1, relu: true }, true),
    withResidual(winograd('Winograd', [4, 33, 13, 10], 34, 1, true), [4, 34, 13, 10]),
    withResidual(winograd('Winograd', [8, 32, 6, 6], 32, 1), [8, 32, 6, 6], false),
    winograd('Winograd, tiles of 4', [1, 64, 8, 8], 64, 1),
    winograd('Winograd, tiles of 3', [8, 32, 6, 6], 48, 1),
    winograd('Winograd, one tile per image', [33, 32, 3, 3], 32, 1),
    winograd('Winograd, more tiles than one block holds', [3, 32, 24, 24], 32, 1),
    winograd('Winograd, tiles that cross the edge', [5, 40, 11, 7], 37, 1),
    winograd('Winograd, unequal padding', [4, 33, 13, 10], 34, [1, 0], true),
    winograd('Winograd, no padding', [6, 35, 14, 8], 33, 0, true),
    winograd('Winograd, stride 2', [2, 64, 24, 24], 40, 1, false, 2),
    winograd('Winograd, stride 2, one tile per image', [34, 33, 6, 5], 64, 1, true, 2),
    winograd('Winograd, stride 2, tiles that cross the edge', [7, 40, 15, 17], 37, 1, true, 2),
  ],
  refusals: [
    {
      name: 'a residual with a shape other than that of y',
      code: 'ERR_SHAPE',
      call: (device) =>
        conv2d(device.zeros([1, 3, 4, 4]), device.zeros([2, 3, 3, 3]), {
          residual: device.zeros([1, 2, 4, 4]),
        }),
    },
    {
      name: 'a weight for another number of channels',
      code: 'ERR_SHAPE',
      call: (device) => conv2d(device.zeros([1, 3, 4, 4]), device.zeros([2, 4, 3, 3])),
    },
    {
      name: 'a filter larger than the image',
      code: 'ERR_SHAPE',
      call: (device) => conv2d(device.zeros([1, 1, 2, 2]), device.zeros([1, 1, 3, 3])),
    },
    {
      name: 'a bias of another length',
      code: 'ERR_SHAPE',
      call: (device) =>
        conv2d(device.zeros([1, 1, 3, 3]), device.zeros([2, 1, 3, 3]), { bias: device.zeros([1]) }),
    },
    {
      name: 'stride 0',
      code: 'ERR_ARGUMENT',
      call: (device) => conv2d(device.zeros([1, 1, 3, 3]), device.zeros([1, 1, 3, 3]), { stride: 0 }),
    },
    {
      name: 'a padding below 0',
      code: 'ERR_ARGUMENT',
      call: (device) => conv2d(device.zeros([1, 1, 3, 3]), device.zeros([1, 1, 3, 3]), { padding: -1 }),
    },
    {
      name: 'uint16 images',
      code: 'ERR_DTYPE',
      call: (device) => conv2d(device.tensor(Uint16Array.of(1), [1, 1, 1, 1]), device.zeros([1, 1, 1, 1])),
    },
  ],
});

describeOperation<Options>({
  name: 'conv2d with images as their own filters',
  run: ({ x }, options) => conv2d(x!, x!, options),
  reference: ({ x }, options) => reference({ x: x!, weight: x! }, options),
  differentiable: ['x'],
  tolerance: { units: 0, reason: 'sums of small integers' },
  cases: [
    {
      name: '12 filters of 12 channels',
      inputs: { x: integers([12, 12, 3, 3], 1) },
      options: { padding: 1 },
      exact: true,
    },
    { name: '2 filters of 1 channel', inputs: { x: integers([2, 1, 5, 4], 2) }, exact: true },
    { name: '3 filters of 9 channels', inputs: { x: integers([3, 9, 1, 1], 3) }, exact: true },
  ],
});

it('conv2d of a NaN gives NaN only where a filter reaches it, also next to the padding', async () => {
  using device = await openDevice(DEVICE);
  const side = 5;
  const values = integers([1, 8, side, side], 1).values;
  for (const [row, reached] of [
    [1, 9],
    [0, 6],
  ] as const) {
    const x = Float32Array.from(values);
    x[3 * side * side + row * side + 2] = Number.NaN;
    const y = conv2d(device.tensor(x, [1, 8, side, side]), device.full([8, 8, 3, 3], 1), { padding: 1 });
    expect((await y.data()).filter(Number.isNaN)).toHaveLength(8 * reached);
  }
});

it('conv2d adds no bias to the padding of the channels, which a sum would include', async () => {
  using device = await openDevice(DEVICE);
  const x = device.full([2, 8, 4, 4], 1);
  const y = conv2d(x, device.full([3, 8, 1, 1], 1), { bias: device.tensor([1, 10, 100]) });
  expect(await sum(y).item()).toBe(2 * 16 * (3 * 8 + 111));
});

it('conv2d gives the same bits for any number of threads', async () => {
  const layers: [string, [number, number, number, number], [number, number, number], Options][] = [
    ['stem', [2, 1, 20, 20], [16, 7, 7], { stride: 2, padding: 3 }],
    ['Winograd, by tiles', [5, 32, 12, 12], [32, 3, 3], { padding: 1 }],
    ['Winograd, by filters', [5, 128, 6, 6], [128, 3, 3], { padding: 1 }],
    ['direct', [2, 128, 6, 6], [144, 3, 3], { stride: 2, padding: 1 }],
    ['direct, an odd number of blocks', [1, 72, 3, 3], [136, 3, 3], { padding: 1 }],
  ];
  const results = new Map<string, Float32Array>();
  for (const threads of [1, 2, 5]) {
    using device = await openDevice('cpu', { threads });
    for (const [name, x, [k, r, s], options] of layers) {
      const weight = normals([k, x[1], r, s], 2);
      using y = tidy(() =>
        conv2d(device.tensor(normals(x, 1).values, x), device.tensor(weight.values, weight.shape), {
          ...options,
          bias: device.tensor(normals([k], 3).values),
          relu: true,
        }),
      );
      const values = (await y.data()) as Float32Array;
      expect(values, `${name}, ${threads} threads`).toEqual(results.get(name) ?? values);
      results.set(name, values);
    }
  }
});
