/** Padding of tensors in a padded layout holds zeros, also after a function whose value at 0 is not 0. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { backward } from '#spinegrad/engine/autograd.js';
import type { Device } from '#spinegrad/engine/device.js';
import { openDevice } from '#spinegrad/engine/openDevice.js';
import { batchNorm2d } from '#spinegrad/engine/ops/batchNorm2d.js';
import { conv2d } from '#spinegrad/engine/ops/conv2d.js';
import { sigmoid } from '#spinegrad/engine/ops/elementwise.js';
import { globalAvgPool2d } from '#spinegrad/engine/ops/globalAvgPool2d.js';
import { sum } from '#spinegrad/engine/ops/sum.js';
import type { Tensor } from '#spinegrad/engine/tensor.js';
import { DEVICE } from '../device.js';
import { normals } from './descriptor.js';

let device: Device;
beforeAll(async () => {
  device = await openDevice(DEVICE);
});
afterAll(() => device.close());

/** 5 channels: a block of 8 or 16 has 3 or 11 channels of padding. */
const SHAPE = [2, 5, 6, 7];
const tensorOf = (shape: number[], seed: number): Tensor => device.tensor(normals(shape, seed).values, shape);

const READERS: Record<string, (y: Tensor) => Tensor> = {
  sum: (y) => sum(y),
  conv2d: (y) => conv2d(y, tensorOf([9, 5, 3, 3], 3), { padding: 1 }),
  batchNorm2d: (y) => {
    const [one, zero] = [device.full([5], 1), device.zeros([5])];
    return batchNorm2d(y, one, zero, device.zeros([5]), device.full([5], 1), { training: true });
  },
  globalAvgPool2d: (y) => globalAvgPool2d(y),
};

it.each(Object.entries(READERS))(
  '%s of sigmoid of conv2d is that of the same values without padding',
  async (_, read) => {
    const x = tensorOf([2, 3, 6, 7], 1);
    const y = sigmoid(conv2d(x, tensorOf([5, 3, 3, 3], 2), { padding: 1 }));
    const found = await read(y).data();
    const expected = await read(device.tensor(await y.data(), SHAPE)).data();
    for (const [index, value] of expected.entries()) {
      expect(Math.abs(found[index]! - value), `value ${index}`).toBeLessThanOrEqual(
        1e-5 * (1 + Math.abs(value)),
      );
    }
  },
);

it('the gradient of sigmoid of conv2d is summed without padding', async () => {
  const image = conv2d(tensorOf([2, 3, 6, 7], 1), tensorOf([5, 3, 3, 3], 2), { padding: 1 }).keep();
  image.requiresGrad = true;
  backward(sum(sigmoid(image)));
  const gradient = await image.grad!.data();
  const found = await sum(image.grad!).item();
  expect(found).toBeCloseTo(
    gradient.reduce((total, value) => total + value, 0),
    4,
  );
});
