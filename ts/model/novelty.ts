/**
 * How unlike the training crops the crops of a disc are: the Mahalanobis distance of their features from the training discs
 * (Lee et al., "A Simple Unified Framework for Detecting Out-of-Distribution Samples and Adversarial Attacks", NeurIPS 2018).
 *
 * The features are the channel means of the first two stages of the encoder. The embedding itself is trained to ignore what
 * does not matter for the grade: it gives inverted crops nearly the distances of real ones. One distribution for all grades
 * is enough, because the distance between grades is small, and it holds for any number of tasks.
 */
import { noGrad } from '../engine/autograd.js';
import type { Device } from '../engine/device.js';
import { expectFinite } from '../engine/finite.js';
import { Tensor } from '../engine/tensor.js';
import { tidy } from '../engine/tidy.js';
import { SpinegradError } from '../error.js';
import type { StoredTensor } from '../io/safetensors.js';
import type { Values } from '../nn/values.js';
import { stageMeans } from './fusion/encoder.js';
import type { EncoderInput } from './fusion/input.js';
import type { GraderInput } from './fusion/spec.js';
import { fitGaussian, type Gaussian, mahalanobis } from './gaussian.js';
import { type CropSet, cropInputs } from './grade.js';
import type { Grader } from './grader.js';

/** Stages of the encoder whose channel means are features. */
const STAGES = 2;

const PARTS = ['mean', 'deviation', 'factor'] as const satisfies readonly (keyof Gaussian)[];

/** Distance of a disc that no distribution describes. */
const UNKNOWN = 1000;

/** The features of the crops of a disc: one entry per crop, with the index of its encoder. */
export type DiscFeatures = readonly { series: number; row: Float32Array }[];

/**
 * The features of batches of discs.
 *
 * @param grader in eval mode
 * @param makeViews as in `gradeViews`
 * @throws SpinegradError ERR_NOT_FINITE if a feature is NaN or infinite
 */
export async function featuresOf(
  grader: Grader,
  makeViews: readonly (() => EncoderInput)[],
): Promise<DiscFeatures[]> {
  const features: DiscFeatures[] = [];
  for (const makeBatch of makeViews) {
    const input = noGrad(() => tidy(makeBatch));
    const means = noGrad(() => tidy(() => stageMeans(grader.encoder, input, STAGES)));
    const rowsOf = await Promise.all(means.map((stages) => stages && joined(stages)));
    for (const crops of await cropsOf(input)) {
      features.push(crops.map(({ series, row }) => ({ series, row: rowsOf[series]![row]! })));
    }
    const inputs = input instanceof Tensor ? [input] : [...input.crops, ...input.rows.flat(), input.mask];
    for (const tensor of [...inputs, ...means.flat()]) tensor?.dispose();
  }
  return features;
}

/** The rows of tensors [N, channels], joined. */
async function joined(tensors: readonly Tensor[]): Promise<Float32Array[]> {
  const values = await Promise.all(tensors.map((tensor) => tensor.data()));
  for (const value of values)
    expectFinite(value as Float32Array, 'grader: features', 'the input overflows float32');
  const [count] = tensors[0]!.shape as [number];
  return Array.from({ length: count }, (_, row) =>
    Float32Array.from(
      values.flatMap((value, stage) => {
        const channels = tensors[stage]!.shape[1]!;
        return [...value.subarray(row * channels, (row + 1) * channels)];
      }),
    ),
  );
}

/** The crops of each disc: series and row in the images of that series. */
async function cropsOf(input: EncoderInput): Promise<{ series: number; row: number }[][]> {
  if (input instanceof Tensor)
    return Array.from({ length: input.shape[0]! }, (_, row) => [{ series: 0, row }]);
  const slots = input.rows.flatMap((ofSeries, series) => ofSeries.map((rows) => ({ series, rows })));
  const rows = await Promise.all(slots.map((slot) => slot.rows.data()));
  const mask = await input.mask.data();
  const [discs, count] = input.mask.shape as [number, number];
  return Array.from({ length: discs }, (_, disc) =>
    slots.flatMap(({ series }, slot) =>
      mask[disc * count + slot] === 1 ? [{ series, row: rows[slot]![disc]! }] : [],
    ),
  );
}

/**
 * The novelties of discs relative to their limit: above 1 the crops are unlike the training crops.
 *
 * @throws SpinegradError ERR_NOT_FINITE as `featuresOf`
 */
export async function noveltiesOf(
  device: Device,
  grader: Grader,
  crops: CropSet,
  input: GraderInput,
  { model, limit }: { model: Novelty; limit: number },
): Promise<number[]> {
  const features = await featuresOf(grader, cropInputs(device, crops, input));
  return features.map((disc) => model.scoreOf(disc) / limit);
}

/** The distributions of the features of the training discs, one per encoder; null for an encoder without a crop. */
export class Novelty {
  constructor(private readonly gaussians: readonly (Gaussian | null)[]) {}

  /** @param discs training discs */
  static fit(discs: readonly DiscFeatures[]): Novelty {
    const crops = discs.flat();
    const series = Math.max(...crops.map((crop) => crop.series)) + 1;
    return new Novelty(
      Array.from({ length: series }, (_, index) => {
        const rows = crops.filter((crop) => crop.series === index).map(({ row }) => row);
        return rows.length > 0 ? fitGaussian(rows) : null;
      }),
    );
  }

  /**
   * The mean distance of the crops of a disc: about 1 for training discs. Crops of an encoder that saw no training crop are
   * left out; a disc without any other crop has the distance UNKNOWN.
   */
  scoreOf(disc: DiscFeatures): number {
    const distances = disc.flatMap(({ series, row }) => {
      const gaussian = this.gaussians[series];
      return gaussian ? mahalanobis(gaussian, row) : [];
    });
    if (distances.length === 0) return UNKNOWN;
    return distances.reduce((sum, distance) => sum + distance, 0) / distances.length;
  }

  /** The tensors of a weight file. */
  state(): Values {
    const tensors: Values = new Map();
    for (const [series, gaussian] of this.gaussians.entries()) {
      if (gaussian === null) continue;
      const features = gaussian.mean.length;
      for (const part of PARTS) {
        const shape = part === 'factor' ? [features, features] : [features];
        tensors.set(`series${series}.${part}`, { shape, data: gaussian[part] });
      }
    }
    return tensors;
  }

  /**
   * @param tensors of a weight file
   * @param source the file, for messages
   * @throws SpinegradError ERR_WEIGHTS
   */
  static load(tensors: ReadonlyMap<string, StoredTensor>, source: string): Novelty {
    const gaussians: (Gaussian | null)[] = [];
    for (const name of tensors.keys()) {
      const [, series] = /^series(\d+)\.mean$/.exec(name) ?? [];
      if (series === undefined) continue;
      const [mean, deviation, factor] = PARTS.map((part) => {
        const stored = tensors.get(`series${series}.${part}`);
        if (stored?.dtype === 'F32') return stored.data;
        throw new SpinegradError(
          'ERR_WEIGHTS',
          `${source}: found no float32 tensor 'series${series}.${part}'; copy the run's folder again`,
        );
      });
      gaussians[Number(series)] = { mean: mean!, deviation: deviation!, factor: factor! };
    }
    return new Novelty(gaussians);
  }
}
