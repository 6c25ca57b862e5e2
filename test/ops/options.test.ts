/** Numeric options: a value either throws ERR_ARGUMENT at the call or gives finite results for ordinary tensors. */
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { backward } from '#spinegrad/engine/autograd.js';
import type { Device } from '#spinegrad/engine/device.js';
import { openDevice } from '#spinegrad/engine/openDevice.js';
import { augment } from '#spinegrad/engine/ops/augment.js';
import { batchNorm2d } from '#spinegrad/engine/ops/batchNorm2d.js';
import { clipGradNorm } from '#spinegrad/engine/ops/clipGradNorm.js';
import { dropout } from '#spinegrad/engine/ops/dropout.js';
import { focalLoss } from '#spinegrad/engine/ops/focalLoss.js';
import { infoNCE } from '#spinegrad/engine/ops/infoNCE.js';
import { l2Normalize } from '#spinegrad/engine/ops/l2Normalize.js';
import { smoothL1 } from '#spinegrad/engine/ops/smoothL1.js';
import { softArgmax2d } from '#spinegrad/engine/ops/softArgmax2d.js';
import { sum } from '#spinegrad/engine/ops/sum.js';
import type { Tensor } from '#spinegrad/engine/tensor.js';
import { tidy } from '#spinegrad/engine/tidy.js';
import { SpinegradError } from '#spinegrad/error.js';

let device: Device;
beforeAll(async () => {
  device = await openDevice('cpu', { threads: 1 });
});
afterAll(() => device.close());

const ROWS = [1, 0, -0.6, 0.8, 0.6, 0.8, 0, -1];

/** Rows of unit length. */
function rows(shape: number[] = [4, 2]): Tensor {
  const x = device.tensor(ROWS, shape);
  x.requiresGrad = true;
  return x;
}

const ints = (...values: number[]): Tensor => device.tensor(Int32Array.from(values));
const keys = { seed: 1, step: 1 };
const view = (options: object): Tensor =>
  augment(device.tensor(Uint16Array.of(0, 9, 5e4, 65535), [1, 2, 2]), ints(0, 0), keys, options);

/** One call per option. `x` is the input whose gradient is checked; the second argument is the option's value. */
const OPTIONS: Record<string, (x: Tensor, value: number) => Tensor> = {
  'augment mean': (_, mean) => view({ mean }),
  'augment std': (_, std) => view({ std }),
  'augment noise': (_, noise) => view({ noise }),
  'augment contrast': (_, contrast) => view({ contrast }),
  'augment gamma': (_, gamma) => view({ gamma }),
  'augment blur': (_, blur) => view({ blur }),
  'augment scale': (_, scale) => view({ scale }),
  'augment pitch': (_, pitch) => view({ pitch }),
  'augment translation': (_, translation) => view({ translation }),
  'augment cutoutSize': (_, cutoutSize) => view({ cutout: 1, cutoutSize }),
  'batchNorm2d eps': (x, eps) => {
    const [one, zero] = [device.full([2], 1), device.zeros([2])];
    return batchNorm2d(x, one, zero, device.zeros([2]), device.full([2], 1), { training: true, eps });
  },
  'clipGradNorm maxNorm': (x, maxNorm) => {
    x.grad = device.tensor(ROWS, x.shape).keep();
    return clipGradNorm([x], maxNorm);
  },
  'dropout p': (x, p) => dropout(x, { p, ...keys }),
  'focalLoss gamma': (x, gamma) => focalLoss(x, ints(0, 1, 1, 0), { gamma }),
  'focalLoss alpha': (x, alpha) => focalLoss(x, ints(0, 1, 1, 0), { alpha: [alpha, 1] }),
  'focalLoss labelSmoothing': (x, labelSmoothing) => focalLoss(x, ints(0, 1, 1, 0), { labelSmoothing }),
  'infoNCE temperature': (x, temperature) => infoNCE(x, ints(0, 0, 1, 1), { temperature }),
  'infoNCE temperature, mean inside': (x, temperature) =>
    infoNCE(x, ints(0, 0, 0, 1), { temperature, mean: 'inside' }),
  'l2Normalize eps': (x, eps) => l2Normalize(x, eps),
  'smoothL1 beta': (x, beta) => smoothL1(x, device.zeros(x.shape), { beta }),
  'softArgmax2d temperature': (x, temperature) => softArgmax2d(x, { temperature }),
};
const SHAPES: Record<string, number[]> = { batchNorm2d: [2, 2, 2, 1], softArgmax2d: [1, 2, 2, 2] };

const numbers = fc.oneof(
  fc.double(),
  fc.constantFrom(1e300, 1e-300, -1e300, 3e38, 1e38, 2e-38, 1e-38, 1e-45, 1e-12, 1e6, 1, 0),
);

describe('any number gives finite results or ERR_ARGUMENT', () => {
  it.each(Object.entries(OPTIONS))('for %s', async (name, call) => {
    let callsWithOne = 0;
    const property = fc.asyncProperty(numbers, async (value) => {
      const x = rows(SHAPES[name.split(' ')[0]!]).keep();
      let y: Tensor;
      try {
        y = tidy(() => {
          const result = call(x, value);
          result.keep();
          if (result.node) backward(sum(result));
          return result;
        });
      } catch (error) {
        expect(error).toBeInstanceOf(SpinegradError);
        expect(error).toMatchObject({ code: 'ERR_ARGUMENT' });
        return;
      } finally {
        if (value === 1) callsWithOne++;
      }
      expect((await y.data()).every(Number.isFinite), `result for ${value}`).toBe(true);
      const gradient = (await x.grad?.data()) ?? [];
      expect([...gradient].every(Number.isFinite), `gradient for ${value}`).toBe(true);
      y.dispose();
      x.dispose();
    });
    await fc.assert(property, { seed: 1, numRuns: 200 });
    expect(callsWithOne).toBeGreaterThan(0);
  });
});
