/**
 * A training run on the simulated CUDA device: ResNet-18 and every stage, with one step per epoch, so that the first loss
 * of a stage is computed before any update. The first weights of a stage are equal on all devices, unless they come from
 * an earlier stage.
 */
import { beforeAll, describe, expect, it } from 'vitest';
import { CLI, run } from '../cli/command.js';
import { SIMULATOR } from '../engine/child.js';
import { outcome, readLog, temporaryFolder, tinyStudies, trainArgs } from './runs.js';

const EMBEDDING = 32;
const TEMPERATURE = 0.1;
const SETTINGS = {
  'data.roiSize': 32,
  'encoder.width': 8,
  'encoder.zeroInitResidual': false,
  'localization.unet.width': 8,
  'pretraining.discs': 30,
  'pretraining.projection': EMBEDDING,
  'pretraining.temperature': TEMPERATURE,
  'localization.batch': 6,
  'finetuning.batch': 90,
};

/**
 * Bounds for the difference of the first losses from those of the CPU. TF32 rounds each factor to 11 bits, so a product
 * has a relative error of at most √2 2^-11 (root mean square of two independent roundings). A sum of products has the
 * same relative error, because the error and a typical sum both grow with the root of the count. Batch norm and ReLU
 * preserve the relative error. The 17 convolutions on the longest path through ResNet-18 and two linear layers add
 * independent errors.
 *
 * - InfoNCE: the error of a unit embedding is spread over its coordinates, so a cosine has √2/√32 of it, a logit that
 *   divided by the temperature, and the loss of a row the errors of two terms, the positive and the sum. The average over
 *   rows reduces the error further; the bound does not use this.
 * - Coordinates and logits of grades are of order one, and the slopes of their losses are at most √2.
 *
 * With another seed the differences of pretraining and grading are fifty times as large. bf16 rounds to 8 bits.
 */
const boundsOf = (bits: number) => {
  const net = Math.sqrt((17 + 2) * 2) * 2 ** -bits;
  return {
    pretraining: (Math.SQRT2 * (Math.SQRT2 / Math.sqrt(EMBEDDING)) * net) / TEMPERATURE,
    localization: Math.SQRT2 * net,
    'finetuning-scratch': Math.SQRT2 * net,
  };
};
const BOUNDS = (
  [
    ['forward', 11],
    ['bf16', 8],
  ] as const
).flatMap(([name, bits]) =>
  Object.entries(boundsOf(bits)).map(([stage, bound]) => [name, stage, bound] as const),
);

describe('a run on the simulated CUDA device', () => {
  const dirs: Record<string, string> = {};

  beforeAll(async () => {
    const data = await tinyStudies();
    const runs = [
      ['cpu', 'cpu', '', 'tf32'],
      ['forward', 'cuda', 'forward', 'tf32'],
      ['random', 'cuda', 'random:7', 'tf32'],
      ['bf16', 'cuda', 'forward', 'bf16'],
    ] as const;
    for (const [name] of runs) dirs[name] = await temporaryFolder();
    const ended = await Promise.all(
      runs.map(([name, device, order, precision]) =>
        run(process.execPath, [CLI, ...trainArgs(dirs[name]!, data, { ...SETTINGS, precision }, device)], {
          SPINEGRAD_CUDA_LIBRARY: SIMULATOR,
          SPINEGRAD_SIMULATOR_ORDER: order,
          SPINEGRAD_SIMULATOR_THREADS: '1',
        }),
      ),
    );
    for (const { status, stderr } of ended) expect(status, stderr).toBe(0);
  }, 300_000);

  it.each(BOUNDS)(
    '%s: the first loss of %s differs from that of the CPU by less than %d',
    (cuda, stage, bound) => {
      const [onCpu, onCuda] = ['cpu', cuda].map(
        (name) =>
          readLog(dirs[name]!).find((row) => row.stage === stage && row.epoch === 1)!.trainLoss as number,
      );
      expect(Math.abs(onCuda! - onCpu!)).toBeLessThan(bound);
      expect(onCuda).not.toBe(onCpu);
    },
  );

  it('gives the same bits in another order of threads', async () => {
    const [forward, random] = await Promise.all([outcome(dirs.forward!), outcome(dirs.random!)]);
    expect(forward.log).toHaveLength(10);
    expect(forward.summary.device).toBe('cuda:0');
    expect(random).toEqual(forward);
  });
});
