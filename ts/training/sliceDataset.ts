/**
 * The whole slices of a bank for the localizer: all pixels in one device buffer, views made on the device, and targets
 * that move with the pixels.
 */
import { type Affine, LEVELS } from '../anatomy.js';
import { invertAffine } from '../data/affine.js';
import type { Bank } from '../data/bank.js';
import { isLocated } from '../data/manifest.js';
import type { SliceRecord, Split } from '../data/types.js';
import type { Device } from '../engine/device.js';
import { type AugmentKeys, type AugmentOptions, augment, augmentGeometry } from '../engine/ops/augment.js';
import type { Tensor } from '../engine/tensor.js';
import { tidy } from '../engine/tidy.js';
import { MAPS } from '../model/localizer.js';
import type { LetterboxedSlice } from '../model/locate.js';
import { measureNormalisation, type Normalisation } from '../model/normalisation.js';
import { coordinateTargets, drawTargets, landmarksOf, type TargetOptions } from './discTargets.js';
import { measurePitch } from './pitch.js';

/** Mean and standard deviation of the training slices of a bank. */
export function sliceNormalisation({ manifest, slices }: Pick<Bank, 'manifest' | 'slices'>): Normalisation {
  const rows = manifest.slices.filter(({ split }) => split === 'train').map(({ row }) => row);
  return measureNormalisation(slices, manifest.sliceSize ** 2, rows);
}

/** Targets of a batch and the weight of each of their elements. */
export interface Targets {
  targets: Tensor;
  weights: Tensor;
}

export class SliceDataset {
  readonly size: number;
  readonly normalisation: Normalisation;
  /** Mean distance of neighbouring lumbar points on the training slices, in mm. */
  readonly pitchMm: number;
  readonly #records: readonly SliceRecord[];
  readonly #slices: Uint16Array;
  readonly #pixels: Tensor;

  /** @param normalisation of a trained model; by default it is measured on the training slices */
  constructor(
    private readonly device: Device,
    { manifest, slices }: Pick<Bank, 'manifest' | 'slices'>,
    normalisation?: Normalisation,
  ) {
    this.size = manifest.sliceSize;
    this.#records = manifest.slices;
    this.#slices = slices;
    this.#pixels = device.tensor(slices, [manifest.slices.length, this.size, this.size]).keep();
    this.pitchMm = measurePitch(this.annotated('train'));
    this.normalisation = normalisation ?? sliceNormalisation({ manifest, slices });
  }

  of(split: Split): readonly SliceRecord[] {
    return this.#records.filter((record) => record.split === split);
  }

  /** Slices of a side of the split with at least one graded place, of a reader or of a localizer. */
  located(split: Split): readonly SliceRecord[] {
    return this.of(split).filter(isLocated);
  }

  /** Slices of a side of the split with at least one disc that a reader marked. */
  annotated(split: Split): readonly SliceRecord[] {
    return this.located(split).filter(({ found }) => !found);
  }

  /** Kinds of series of these slices, the most frequent first. */
  kinds(split: Split): string[] {
    const counts = new Map<string, number>();
    for (const { series } of this.annotated(split)) counts.set(series, (counts.get(series) ?? 0) + 1);
    return [...counts].sort((a, b) => b[1] - a[1]).map(([series]) => series);
  }

  /** Pixels on the host, for `locate`. */
  letterboxed(records: readonly SliceRecord[]): LetterboxedSlice[] {
    const pixels = this.size * this.size;
    return records.map(({ row, toImage, pixelSpacing, imageSize }) => ({
      pixels: this.#slices.subarray(row * pixels, (row + 1) * pixels),
      toImage,
      pixelSpacing,
      imageSize,
    }));
  }

  /** Normalised views [N, 1, size, size]; without options the slices are not augmented. */
  views(records: readonly SliceRecord[], keys: AugmentKeys, options: AugmentOptions = {}): Tensor {
    const rows = Int32Array.from(records, ({ row }) => row);
    return tidy(() =>
      augment(this.#pixels, this.device.tensor(rows), keys, { ...options, ...this.normalisation }),
    );
  }

  /**
   * Heatmaps of the views that `views` makes of the same arguments: [N, maps, size, size] in the order of `MAPS`.
   *
   * @param mapStride pixels of a view per pixel of a map
   * @param options sigma as a fraction of the side, and weights
   */
  heatmaps(
    records: readonly SliceRecord[],
    keys: AugmentKeys,
    augmentation: AugmentOptions,
    mapStride: number,
    { sigma, centreWeight, sacralWeight }: Omit<TargetOptions, 'size'>,
  ): Targets {
    const size = this.size / mapStride;
    const options = { size, sigma: sigma * size, centreWeight, sacralWeight };
    const shape = [records.length, MAPS.length, size, size];
    const floats = MAPS.length * size * size;
    const targets = new Float32Array(records.length * floats);
    const weights = new Float32Array(records.length * floats);
    records.forEach((record, row) => {
      const [a, b, c, d, e, f] = this.#toView(row, keys, augmentation);
      const shift = (mapStride - 1) / 2;
      const scale = 1 / mapStride;
      const toMap = [
        a * scale,
        b * scale,
        (c - shift) * scale,
        d * scale,
        e * scale,
        (f - shift) * scale,
      ] as const;
      const part = <T extends Float32Array>(maps: T) => maps.subarray(row * floats, (row + 1) * floats);
      drawTargets(landmarksOf(record, this.pitchMm), toMap, options, {
        targets: part(targets),
        weights: part(weights),
      });
    });
    return { targets: this.device.tensor(targets, shape), weights: this.device.tensor(weights, shape) };
  }

  /** Centres of the lumbar discs in the views that `views` makes of the same arguments: [N, 10], (x, y) in pixels. */
  coordinates(records: readonly SliceRecord[], keys: AugmentKeys, augmentation: AugmentOptions): Targets {
    const perRecord = records.map((record, row) =>
      coordinateTargets(record, LEVELS, this.#toView(row, keys, augmentation), this.size),
    );
    const shape = [records.length, 2 * LEVELS.length];
    const tensor = (values: number[]) => this.device.tensor(Float32Array.from(values), shape);
    return {
      targets: tensor(perRecord.flatMap(({ points }) => points)),
      weights: tensor(perRecord.flatMap(({ weights }) => weights)),
    };
  }

  /** From pixels of the bank to pixels of the view in a row. */
  #toView(row: number, keys: AugmentKeys, augmentation: AugmentOptions): Affine {
    return invertAffine(augmentGeometry([this.size, this.size], row, keys, augmentation));
  }

  dispose(): void {
    this.#pixels.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}
