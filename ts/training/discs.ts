/**
 * The ROI bank as training sees it: all pixels in one device buffer, and the discs of each side of the split, each
 * with the rows that show it. A batch is made on the device from row indices; the host sends a few hundred bytes.
 */

import type { Level } from '../anatomy.js';
import type { Bank } from '../data/bank.js';
import type { Split } from '../data/types.js';
import type { Device } from '../engine/device.js';
import { type AugmentKeys, type AugmentOptions, augment } from '../engine/ops/augment.js';
import { type Tensor, tidy } from '../engine/tensor.js';
import type { RandomStream } from '../random.js';
import type { Config } from './config.js';

export interface Disc {
  /** The bank's number of the disc. */
  id: number;
  studyId: string;
  level: Level;
  /** Index into the task's grades. */
  grade: number | null;
  /** Row of the annotated slice. */
  row: number;
  /** That row and those of the neighbouring slices. */
  rows: number[];
}

/** Mean and standard deviation of intensities from 0 to 1. */
export interface Normalisation {
  mean: number;
  std: number;
}

export class Discs {
  readonly normalisation: Normalisation;
  readonly #bySplit: Record<Split, Disc[]> = { train: [], validation: [], test: [] };
  readonly #pixels: Tensor;
  readonly #augmentation: AugmentOptions;

  constructor(
    private readonly device: Device,
    bank: Bank,
    config: Config,
    /** Measured on the training discs unless a trained model brings its own. */
    normalisation?: Normalisation,
  ) {
    const { manifest, rois } = bank;
    const { size } = manifest.roi;
    this.#pixels = device.tensor(rois, [manifest.rois.length, size, size]).keep();
    const discs = new Map<number, Disc>();
    for (const { disc, row, studyId, level, grade, sliceOffset, split } of manifest.rois) {
      let known = discs.get(disc);
      if (!known) {
        known = { id: disc, studyId, level, grade, row, rows: [] };
        discs.set(disc, known);
        this.#bySplit[split].push(known);
      }
      known.rows.push(row);
      if (sliceOffset === 0) known.row = row;
    }
    const trainRows = this.of('train').map(({ row }) => row);
    this.normalisation = normalisation ?? measure(rois, size * size, trainRows);
    const { translation, ...strengths } = config.augmentation;
    this.#augmentation = { ...strengths, translation: translation * size };
  }

  of(split: Split): readonly Disc[] {
    return this.#bySplit[split];
  }

  graded(split: Split): readonly (Disc & { grade: number })[] {
    return this.of(split).filter((disc): disc is Disc & { grade: number } => disc.grade !== null);
  }

  /** Augmented views [N, 1, size, size] of bank rows. */
  views(rows: readonly number[], keys: AugmentKeys): Tensor {
    return this.#make(rows, keys, { ...this.normalisation, ...this.#augmentation });
  }

  /** The rows as they are, normalised: what evaluation sees. */
  plain(rows: readonly number[]): Tensor {
    return this.#make(rows, { seed: 0, step: 0 }, this.normalisation);
  }

  #make(rows: readonly number[], keys: AugmentKeys, options: AugmentOptions): Tensor {
    return tidy(() => augment(this.#pixels, this.device.tensor(Int32Array.from(rows)), keys, options));
  }

  dispose(): void {
    this.#pixels.dispose();
  }
}

/** Mean and deviation over whole images of uint16 pixels. */
export function measure(pixels: Uint16Array, imageSize: number, rows: readonly number[]): Normalisation {
  let sum = 0;
  let squares = 0;
  for (const row of rows) {
    for (let i = row * imageSize; i < (row + 1) * imageSize; i++) {
      const value = pixels[i]! / 65535;
      sum += value;
      squares += value * value;
    }
  }
  const count = Math.max(1, rows.length * imageSize);
  const mean = sum / count;
  return { mean, std: Math.sqrt(Math.max(squares / count - mean * mean, 1e-8)) };
}

/** A permutation (Fisher and Yates). */
export function shuffled<T>(items: readonly T[], random: RandomStream): T[] {
  const order = [...items];
  for (let i = order.length - 1; i > 0; i--) {
    const j = Math.floor(random.uniform(0, i + 1));
    [order[i], order[j]] = [order[j]!, order[i]!];
  }
  return order;
}

/** Consecutive batches; a last one of fewer than `least` items is left out. */
export function batches<T>(items: readonly T[], size: number, least = 1): T[][] {
  const list: T[][] = [];
  for (let first = 0; first < items.length; first += size) {
    const batch = items.slice(first, first + size);
    if (batch.length >= least) list.push(batch);
  }
  return list;
}
