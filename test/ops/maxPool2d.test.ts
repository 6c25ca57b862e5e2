import { expect, it } from 'vitest';
import { backward } from '#spinegrad/engine/autograd.js';
import { openDevice } from '#spinegrad/engine/openDevice.js';
import { maxPool2d } from '#spinegrad/engine/ops/maxPool2d.js';
import { sum } from '#spinegrad/engine/ops/sum.js';
import { DEVICE } from '../device.js';
import { describeOperation, distinct, type Reference } from './descriptor.js';

interface Options {
  kernel: number | [number, number];
  stride?: number | [number, number];
  padding?: number | [number, number];
}

const pair = (value: number | [number, number]): [number, number] =>
  typeof value === 'number' ? [value, value] : value;

function reference({ x }: Record<string, Reference>, options: Options): number[] {
  const [n, c, h, w] = x!.shape as [number, number, number, number];
  const kernel = pair(options.kernel);
  const stride = pair(options.stride ?? options.kernel);
  const padding = pair(options.padding ?? 0);
  const p = Math.floor((h + 2 * padding[0] - kernel[0]) / stride[0]) + 1;
  const q = Math.floor((w + 2 * padding[1] - kernel[1]) / stride[1]) + 1;
  const y: number[] = [];
  for (let plane = 0; plane < n * c; plane++) {
    for (let i = 0; i < p * q; i++) {
      const top = Math.floor(i / q) * stride[0] - padding[0];
      const left = (i % q) * stride[1] - padding[1];
      let max = -Infinity;
      for (let row = Math.max(top, 0); row < Math.min(top + kernel[0], h); row++) {
        for (let column = Math.max(left, 0); column < Math.min(left + kernel[1], w); column++) {
          max = Math.max(max, x!.values[(plane * h + row) * w + column]!);
        }
      }
      y.push(max);
    }
  }
  return y;
}

describeOperation<Options>({
  name: 'maxPool2d',
  run: ({ x }, { kernel, ...options }) => maxPool2d(x!, kernel, options),
  reference,
  differentiable: ['x'],
  tolerance: { units: 0, gradientUnits: 8, reason: 'values are copied; a gradient is a sum of up to nine' },
  golden: true,
  cases: [
    { name: 'kernel 2', inputs: { x: distinct([2, 3, 6, 8], 1) }, options: { kernel: 2 } },
    {
      name: "ResNet's stem",
      inputs: { x: distinct([1, 17, 9, 11], 2) },
      options: { kernel: 3, stride: 2, padding: 1 },
    },
    {
      name: 'overlapping windows',
      inputs: { x: distinct([2, 2, 7, 5], 3) },
      options: { kernel: 3, stride: 1, padding: 1 },
    },
    {
      name: 'unequal sides',
      inputs: { x: distinct([1, 5, 9, 10], 4) },
      options: { kernel: [3, 2], stride: [1, 3], padding: [0, 1] },
    },
    {
      name: 'a stride larger than the kernel',
      inputs: { x: distinct([1, 1, 11, 11], 5) },
      options: { kernel: 2, stride: 4 },
    },
    {
      name: 'a kernel as large as the image',
      inputs: { x: distinct([3, 1, 5, 4], 6) },
      options: { kernel: [5, 4] },
    },
  ],
  refusals: [
    {
      name: 'a kernel larger than the image',
      code: 'ERR_SHAPE',
      call: (device) => maxPool2d(device.zeros([1, 1, 2, 2]), 3),
    },
    {
      name: 'padding above half the kernel',
      code: 'ERR_SHAPE',
      call: (device) => maxPool2d(device.zeros([1, 1, 4, 4]), 2, { padding: 2 }),
    },
    { name: 'kernel 0', code: 'ERR_ARGUMENT', call: (device) => maxPool2d(device.zeros([1, 1, 4, 4]), 0) },
    {
      name: 'a fractional kernel',
      code: 'ERR_ARGUMENT',
      call: (device) => maxPool2d(device.zeros([1, 1, 4, 4]), 1.5),
    },
    { name: 'a matrix', code: 'ERR_SHAPE', call: (device) => maxPool2d(device.zeros([4, 4]), 2) },
  ],
});

it('maxPool2d returns NaN for a window that contains NaN', async () => {
  using device = await openDevice(DEVICE);
  for (const at of [0, 1, 2, 3]) {
    const values = [4, 1, 2, 3];
    values[at] = Number.NaN;
    const y = maxPool2d(device.tensor(values, [1, 1, 2, 2]), 2);
    expect(await y.data()).toEqual(Float32Array.of(Number.NaN));
  }
});

it('maxPool2d passes the gradient of equal values to the first one', async () => {
  using device = await openDevice(DEVICE);
  const x = device.tensor([1, 1, 1, 1], [1, 1, 2, 2]).keep();
  x.requiresGrad = true;
  backward(sum(maxPool2d(x, 2)));
  expect(await x.grad!.data()).toEqual(Float32Array.of(1, 0, 0, 0));
});
