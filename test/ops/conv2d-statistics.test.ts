/**
 * With `forBatchNorm`, a convolution on CUDA also accumulates the statistics of its result. The batch norm that follows
 * must give the same values as without them. The next write to the tensor discards the statistics.
 */
import { afterEach, describe, expect, it } from 'vitest';
import type { Device } from '#spinegrad/engine/device.js';
import { batchNorm2d } from '#spinegrad/engine/ops/batchNorm2d.js';
import { type Conv2dOptions, conv2d } from '#spinegrad/engine/ops/conv2d.js';
import { add } from '#spinegrad/engine/ops/elementwise.js';
import type { Tensor } from '#spinegrad/engine/tensor.js';
import { DEVICE, openWithGemm } from '../device.js';
import { runModule } from '../engine/child.js';
import { type Input, normals } from './descriptor.js';

interface Problem {
  name: string;
  x: number[];
  filters: number[];
  options?: Conv2dOptions;
  bias?: number;
  /** Whether the kernel accumulates statistics: not with split-K and not in the plain kernel. */
  accumulates: boolean;
  gemm?: string;
}

const padded = { padding: 1 };
const stem = { stride: 2, padding: 3 };
const PROBLEMS: Problem[] = [
  ...['128x128', '128x64', '64x64'].flatMap((gemm) => [
    { name: `${gemm}, full tiles`, x: [2, 16, 8, 8], filters: [128, 1, 1], accumulates: true, gemm },
    {
      name: `${gemm}, odd sides`,
      x: [3, 24, 7, 9],
      filters: [137, 3, 3],
      options: padded,
      accumulates: true,
      gemm,
    },
    {
      name: `${gemm}, far from 0`,
      x: [3, 8, 7, 9],
      filters: [20, 3, 3],
      bias: 1000,
      accumulates: true,
      gemm,
    },
    {
      name: `${gemm}, split-K`,
      x: [3, 24, 7, 9],
      filters: [40, 3, 3],
      accumulates: false,
      gemm: `${gemm}:3`,
    },
  ]),
  { name: 'smaller than a tile', x: [1, 5, 3, 3], filters: [3, 3, 3], options: padded, accumulates: true },
  { name: 'the plain kernel', x: [3, 24, 7, 9], filters: [40, 3, 3], accumulates: false, gemm: 'plain' },
  { name: 'the stem', x: [2, 1, 32, 64], filters: [64, 7, 7], options: stem, accumulates: true },
  { name: 'the stem, odd sides', x: [2, 1, 23, 37], filters: [72, 7, 7], options: stem, accumulates: true },
  { name: 'the stem, far from 0', x: [1, 3, 9, 7], filters: [5, 3, 3], bias: -1000, accumulates: true },
];

const UNIT = 2 ** -24;

describe.skipIf(!DEVICE.startsWith('cuda'))('the statistics that a convolution accumulates', () => {
  let device: Device;
  // A device per test: the collector frees tensors of earlier tests at any time, which changes bytesInUse.
  async function open({ gemm = '' }: Problem): Promise<void> {
    device = await openWithGemm(gemm);
  }
  afterEach(() => device.close());

  const tensorOf = ({ shape, values }: Input): Tensor =>
    device.tensor(Float32Array.from(values), shape).keep();

  function convolution({ x, filters, options, bias }: Problem, forBatchNorm: boolean): Tensor {
    const [k, r, s] = filters as [number, number, number];
    using image = tensorOf(normals(x, 1));
    using weight = tensorOf(normals([k, x[1]!, r, s], 2));
    using shift = device.tensor(Float32Array.from({ length: k }, (_, filter) => (bias ?? 0) + (filter % 5)));
    return conv2d(image, weight, { ...options, bias: bias ? shift : undefined, forBatchNorm }).keep();
  }

  function normalise(x: Tensor): { y: Tensor; mean: Tensor; variance: Tensor } {
    const channels = x.shape[1]!;
    const [mean, variance] = [device.zeros([channels]).keep(), device.zeros([channels]).keep()];
    using one = device.full([channels], 1);
    using zero = device.zeros([channels]);
    return {
      y: batchNorm2d(x, one, zero, mean, variance, { training: true, momentum: 1 }).keep(),
      mean,
      variance,
    };
  }

  async function bytesInUse(x: Tensor): Promise<number> {
    await x.data();
    return device.memory().bytesInUse;
  }

  /**
   * Both ways sum in float first and then in double. Batch norm adds up to 64 values, each minus the channel's first
   * value; the tiles add 16 and merge up to 64 means. With R, the channel's range, the error of a mean is at most
   * (64 + 16) units of R, plus one unit of the mean, because a tile's mean is rounded. The error of a variance is at
   * most twice as many units of R^2.
   */
  it.each(PROBLEMS.map((problem) => [problem.name, problem] as const))(
    'equal those that batch norm computes: %s',
    async (_, problem) => {
      await open(problem);
      using x = convolution(problem, false);
      using accumulated = convolution(problem, true);
      const values = (await x.data()) as Float32Array;
      expect(await accumulated.data()).toEqual(values);
      const [expected, found] = [normalise(x), normalise(accumulated)];
      const [means, foundMeans, variances, foundVariances] = (await Promise.all(
        [expected.mean, found.mean, expected.variance, found.variance].map((tensor) => tensor.data()),
      )) as [Float32Array, Float32Array, Float32Array, Float32Array];
      const [images, channels, height, width] = x.shape as [number, number, number, number];
      const ofChannel = (k: number) =>
        Array.from({ length: images }, (_, n) =>
          values.subarray((n * channels + k) * height * width, (n * channels + k + 1) * height * width),
        ).flatMap((image) => [...image]);
      for (let k = 0; k < channels; k++) {
        const channel = ofChannel(k);
        const range =
          Math.max(...channel) -
          Math.min(...channel) +
          Math.max(...channel.map((value) => Math.abs(value - (problem.bias ?? 0))));
        const bound = 80 * UNIT * range + 2 * UNIT * Math.abs(means[k]!);
        expect(Math.abs(foundMeans[k]! - means[k]!)).toBeLessThanOrEqual(bound);
        expect(Math.abs(foundVariances[k]! - variances[k]!)).toBeLessThanOrEqual(4 * range * bound);
      }
      if (problem.accumulates) expect(foundVariances).not.toEqual(variances);
      else expect(foundVariances).toEqual(variances);
    },
  );

  it('stay allocated until a batch norm uses them', async () => {
    const problem = PROBLEMS[0]!;
    await open(problem);
    using plain = convolution(problem, false);
    const before = await bytesInUse(plain);
    plain.dispose();
    using x = convolution(problem, true);
    expect(await bytesInUse(x)).toBeGreaterThan(before);
    for (const tensor of Object.values(normalise(x))) {
      await tensor.data();
      tensor.dispose();
    }
    expect(await bytesInUse(x)).toBe(before);
  });

  it('are discarded by the next write', async () => {
    await open(PROBLEMS[0]!);
    using x = convolution(PROBLEMS[0]!, true);
    const other = Float32Array.from(normals(x.shape as number[], 9).values, (value) => 3 * value + 5);
    x.write(other);
    using written = device.tensor(other, x.shape).keep();
    const [expected, found] = [normalise(written), normalise(x)];
    expect(await found.y.data()).toEqual(await expected.y.data());
    expect(await found.variance.data()).toEqual(await expected.variance.data());
  });

  it('are not used by a captured step', async () => {
    await open(PROBLEMS[0]!);
    using x = convolution(PROBLEMS[0]!, false);
    using accumulated = convolution(PROBLEMS[0]!, true);
    const [one, zero, mean, variance] = [1, 0, 0, 0].map((value) => device.full([128], value).keep()) as [
      Tensor,
      Tensor,
      Tensor,
      Tensor,
    ];
    const norm = (from: Tensor) => batchNorm2d(from, one, zero, mean, variance, { training: true });
    const expected = await norm(x).keep().data();
    let y!: Tensor;
    const captured = await device.capture(() => {
      y = norm(accumulated).keep();
    });
    for (let replay = 0; replay < 2; replay++) {
      captured.replay();
      using noise = add(y, y);
      await noise.data();
      expect(await y.data()).toEqual(expected);
    }
    captured.dispose();
  });

  it('have the same bits in any order of threads', async () => {
    const code = `
      import { createHash } from 'node:crypto';
      import { openDevice } from '#spinegrad/engine/openDevice.js';
      import { batchNorm2d } from '#spinegrad/engine/ops/batchNorm2d.js';
      import { conv2d } from '#spinegrad/engine/ops/conv2d.js';
      const hash = createHash('sha256');
      const sines = (device, shape) =>
        device.tensor(Float32Array.from({ length: shape.reduce((a, b) => a * b) }, (_, i) => Math.sin(i * i)), shape);
      for (const gemm of ['128x128', '128x64', '64x64']) {
        process.env.SPINEGRAD_CUDA_GEMM = gemm;
        const device = await openDevice('cuda');
        for (const [x, w] of [[[5, 40, 7, 9], [72, 40, 3, 3]], [[2, 1, 17, 41], [9, 1, 7, 7]]]) {
          const y = conv2d(sines(device, x), sines(device, w), { padding: 1, forBatchNorm: true });
          const channels = Array.from({ length: 4 }, () => device.full([w[0]], 1));
          hash.update(await batchNorm2d(y, ...channels, { training: true, momentum: 1 }).data());
          for (const tensor of channels) hash.update(await tensor.data());
        }
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
