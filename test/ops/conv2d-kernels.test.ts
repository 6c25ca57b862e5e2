/**
 * CUDA kernels of conv2d and linear: every tile shape, precision and split-K factor gives the results of the plain
 * kernels, in any order of threads. Runs only if the device under test is a CUDA device.
 */
import { afterAll, describe, expect, it } from 'vitest';
import { backward } from '#spinegrad/engine/autograd.js';
import type { Device } from '#spinegrad/engine/device.js';
import { conv2d } from '#spinegrad/engine/ops/conv2d.js';
import { mul } from '#spinegrad/engine/ops/elementwise.js';
import { linear } from '#spinegrad/engine/ops/linear.js';
import { sum } from '#spinegrad/engine/ops/sum.js';
import { DEVICE, openWithGemm } from '../device.js';
import { runModule } from '../engine/child.js';
import { integers, normals } from './descriptor.js';

type Size = [number, number];

interface Problem {
  name: string;
  x: number[];
  filters: [number, number, number];
  stride?: Size;
  padding?: Size;
}

/** Sizes around those of a tile: 64 and 128 rows and columns, K steps of 16, 8 channels, 4 stages, split-K 3. */
const PROBLEMS: Problem[] = [
  { name: 'smaller than a tile in each dimension', x: [1, 5, 3, 3], filters: [3, 3, 3], padding: [1, 1] },
  { name: 'full tiles', x: [2, 64, 8, 8], filters: [128, 1, 1] },
  {
    name: 'larger than a tile in each dimension, odd sides',
    x: [3, 72, 7, 9],
    filters: [136, 3, 3],
    padding: [1, 1],
  },
  { name: 'stride 2, odd sides', x: [2, 24, 9, 7], filters: [40, 3, 3], stride: [2, 2], padding: [1, 1] },
  { name: '1x1 with stride 2', x: [2, 64, 8, 6], filters: [128, 1, 1], stride: [2, 2] },
  {
    name: 'unequal strides, taps without a phase',
    x: [2, 9, 11, 8],
    filters: [20, 2, 5],
    stride: [3, 2],
    padding: [0, 2],
  },
  { name: 'K below one step', x: [5, 8, 4, 4], filters: [8, 1, 1] },
  { name: 'one pixel per row', x: [130, 5, 1, 1], filters: [70, 3, 3], padding: [1, 1] },
  {
    name: 'the stem, one channel',
    x: [2, 1, 33, 37],
    filters: [72, 7, 7],
    stride: [2, 2],
    padding: [3, 3],
  },
  { name: 'the stem, four channels', x: [1, 4, 20, 18], filters: [5, 5, 3], padding: [2, 1] },
];

const PRECISIONS = ['tf32', 'bf16'] as const;
const TILES = ['128x128', '128x64', '64x64'].flatMap((tile) => [`${tile}:1`, `${tile}:3`]);

type Results = Record<'y' | 'fused' | 'dx' | 'dw' | 'db', Float32Array>;

/** Value, value with residual and ReLU, and gradients. */
async function compute(
  device: Device,
  { x, filters: [k, r, s], stride = [1, 1], padding = [0, 0] }: Problem,
  values: typeof integers,
): Promise<Results> {
  const tensor = (shape: number[], seed: number) =>
    device.tensor(Float32Array.from(values(shape, seed).values), shape).keep();
  const inputs = [tensor(x, 1), tensor(x.length === 2 ? [k, x[1]!] : [k, x[1]!, r, s], 2), tensor([k], 3)];
  for (const input of inputs) input.requiresGrad = true;
  const [image, weight, bias] = inputs as [(typeof inputs)[0], (typeof inputs)[0], (typeof inputs)[0]];
  const result =
    x.length === 2 ? linear(image, weight, bias) : conv2d(image, weight, { bias, stride, padding });
  const y = await result.keep().data();
  const cotangent = tensor([...result.shape], 4);
  const epilogue = { residual: cotangent, relu: true };
  const fused =
    x.length === 2
      ? y
      : await conv2d(image, weight, { bias, stride, padding, ...epilogue })
          .keep()
          .data();
  backward(sum(mul(result, cotangent)));
  const [dx, dw, db] = await Promise.all(inputs.map((input) => input.grad!.data()));
  for (const used of [...inputs, result, cotangent]) used.dispose();
  return { y, fused, dx: dx!, dw: dw!, db: db! };
}

const LINEAR: Problem[] = [
  { name: 'linear', x: [70, 132], filters: [76, 1, 1] },
  { name: 'linear with three outputs, on the plain kernels', x: [33, 64], filters: [3, 1, 1] },
];

describe.skipIf(!DEVICE.startsWith('cuda'))('the kernels of conv2d', () => {
  const devices = new Map<string, Device>();
  afterAll(() => {
    for (const device of devices.values()) device.close();
  });

  /** The device with a variant of SPINEGRAD_CUDA_GEMM. */
  async function deviceOf(variant: string, precision: (typeof PRECISIONS)[number] = 'tf32'): Promise<Device> {
    const key = `${variant} ${precision}`;
    const device = devices.get(key) ?? (await openWithGemm(variant, { precision }));
    devices.set(key, device);
    return device;
  }

  describe.each([...PROBLEMS, ...LINEAR].map((problem) => [problem.name, problem] as const))(
    '%s',
    (_, problem) => {
      it('give the integers of the plain kernels', async () => {
        const expected = await compute(await deviceOf('plain'), problem, integers);
        expect(expected.dw.some((value) => value !== 0)).toBe(true);
        for (const precision of PRECISIONS) {
          for (const tile of TILES) {
            const found = await compute(await deviceOf(tile, precision), problem, integers);
            for (const name of ['y', 'fused', 'dx', 'dw', 'db'] as const) {
              const wrong = found[name].findIndex((value, i) => value !== expected[name][i]);
              expect({ precision, tile, name, wrong }).toEqual({ precision, tile, name, wrong: -1 });
            }
          }
        }
      });
    },
  );

  it.each([
    ['conv2d', PROBLEMS[2]!],
    ['linear', LINEAR[0]!],
  ])('%s rounds to 11 bits with tf32 and to 8 bits with bf16', async (_, problem) => {
    const exact = await compute(await deviceOf('plain'), problem, normals);
    const errorOf = async (device: Device): Promise<number> => {
      const found = await compute(device, problem, normals);
      const errors = (['y', 'dx', 'dw'] as const).map((name) => {
        const scale = exact[name].reduce((a, b) => Math.max(a, Math.abs(b)), 0);
        return found[name].reduce((a, b, i) => Math.max(a, Math.abs(b - exact[name][i]!) / scale), 0);
      });
      return Math.max(...errors);
    };
    // The relative error of each factor is at most 2^-bits; see TF32 in descriptor.ts.
    for (const [precision, bits] of [
      ['tf32', 11],
      ['bf16', 8],
    ] as const) {
      const error = await errorOf(await deviceOf('', precision));
      expect(error).toBeLessThan(2 * 2 ** -bits);
      expect(error).toBeGreaterThan(2 ** -bits / 8);
    }
  });

  it.each([
    ['tf32', 3 * 2 ** -12, 2 ** -10],
    ['bf16', 3 * 2 ** -9, 2 ** -7],
  ] as const)('round to the nearest number with %s', async (precision, above, nearest) => {
    const device = await deviceOf('64x64', precision);
    const one = (first: number) => {
      const values = new Float32Array(64);
      values[0] = first;
      return device.tensor(values, [8, 8]);
    };
    for (const [x, w] of [
      [1, 1 + above],
      [1 + above, 1],
    ] as const) {
      expect((await linear(one(x), one(w)).data())[0]).toBe(1 + nearest);
    }
  });

  it.each(['bf16', '32x32', '64x64:0', '64x64:2:2', 'plain:2'])(
    'throw ERR_ARGUMENT for SPINEGRAD_CUDA_GEMM=%s',
    async (variant) => {
      await expect(compute(await deviceOf(variant), PROBLEMS[0]!, integers)).rejects.toMatchObject({
        code: 'ERR_ARGUMENT',
      });
    },
  );

  it('are selected when the device opens, not by later changes of the environment', async () => {
    const device = await deviceOf('64x64');
    process.env.SPINEGRAD_CUDA_GEMM = 'not a variant';
    try {
      await compute(device, PROBLEMS[0]!, integers);
    } finally {
      delete process.env.SPINEGRAD_CUDA_GEMM;
    }
  });

  it('give the same bits in any order of threads', async () => {
    const code = `
      import { createHash } from 'node:crypto';
      import { backward } from '#spinegrad/engine/autograd.js';
      import { openDevice } from '#spinegrad/engine/openDevice.js';
      import { conv2d } from '#spinegrad/engine/ops/conv2d.js';
      import { sum } from '#spinegrad/engine/ops/sum.js';
      const hash = createHash('sha256');
      const sines = (device, shape) =>
        device.tensor(Float32Array.from({ length: shape.reduce((a, b) => a * b) }, (_, i) => Math.sin(i * i)), shape);
      for (const precision of ${JSON.stringify(PRECISIONS)}) for (const tile of ${JSON.stringify(['plain', '', ...TILES])}) {
        process.env.SPINEGRAD_CUDA_GEMM = tile;
        const device = await openDevice('cuda', { precision });
        for (const [x, w, stride] of [[[2, 40, 7, 9], [72, 40, 3, 3], 2], [[2, 1, 17, 21], [9, 1, 7, 7], 2]]) {
          const inputs = [x, w, w.slice(0, 1)].map((shape) => sines(device, shape));
          for (const input of inputs) input.keep().requiresGrad = true;
          const y = conv2d(inputs[0], inputs[1], { bias: inputs[2], stride, padding: 1, relu: true }).keep();
          hash.update(await y.data());
          backward(sum(y));
          for (const { grad } of inputs) hash.update(await grad.data());
        }
        device.close();
      }
      console.log(hash.digest('hex'));
    `;
    const hashes = [];
    for (const order of ['forward', 'reverse', 'random:1']) {
      const { status, output } = await runModule(code, { env: { SPINEGRAD_SIMULATOR_ORDER: order } });
      expect(status, output).toBe(0);
      hashes.push(output);
    }
    expect(hashes[0]).toMatch(/^[0-9a-f]{64}\n$/);
    expect(new Set(hashes).size).toBe(1);
  });
});
