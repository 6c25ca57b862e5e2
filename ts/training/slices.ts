/**
 * The bank's whole slices as the localizer's training sees them: all pixels in one device buffer, views made there,
 * and the disc centres moved with the pixels.
 */

import { LEVELS, type Point } from '../anatomy.js';
import { applyAffine, invertAffine } from '../data/affine.js';
import type { Bank } from '../data/bank.js';
import type { SliceRecord, Split } from '../data/types.js';
import type { Device } from '../engine/device.js';
import { type AugmentKeys, type AugmentOptions, augment, augmentGeometry } from '../engine/ops/augment.js';
import { type Tensor, tidy } from '../engine/tensor.js';
import { FRONT_MM, POINTS } from '../model/localizer.js';
import { measure, type Normalisation } from './discs.js';

/** Twelve numbers a row, as the localizer gives them: (x, y) in pixels of the view. */
export interface Targets {
  points: Float32Array;
  /** 1 where the point is known and lies in the view, else 0. */
  weights: Float32Array;
}

export class Slices {
  readonly size: number;
  readonly normalisation: Normalisation;
  readonly #records: readonly SliceRecord[];
  readonly #pixels: Tensor;

  constructor(
    private readonly device: Device,
    { manifest, slices }: Bank,
    /** Measured on the training slices unless a trained model brings its own. */
    normalisation?: Normalisation,
  ) {
    this.size = manifest.sliceSize;
    this.#records = manifest.slices;
    this.#pixels = device.tensor(slices, [manifest.slices.length, this.size, this.size]).keep();
    this.normalisation =
      normalisation ??
      measure(
        slices,
        this.size * this.size,
        this.of('train').map(({ row }) => row),
      );
  }

  of(split: Split): readonly SliceRecord[] {
    return this.#records.filter((record) => record.split === split);
  }

  /** Augmented views [N, 1, size, size]; without options the slices as they are. */
  views(records: readonly SliceRecord[], keys: AugmentKeys, options: AugmentOptions = {}): Tensor {
    const rows = Int32Array.from(records, ({ row }) => row);
    return tidy(() =>
      augment(this.#pixels, this.device.tensor(rows), keys, { ...options, ...this.normalisation }),
    );
  }

  /** Where the discs and the front lie in `views(...)` of the same arguments. */
  targets(records: readonly SliceRecord[], keys: AugmentKeys, options: AugmentOptions = {}): Targets {
    const { size } = this;
    const count = 2 * POINTS * records.length;
    const targets = { points: new Float32Array(count), weights: new Float32Array(count) };
    records.forEach((record, row) => {
      const toView = invertAffine(augmentGeometry([size, size], row, keys, options));
      pointsOf(record).forEach((point, index) => {
        if (!point) return;
        const [x, y] = applyAffine(toView, point);
        if (Math.min(x, y) < 0 || Math.max(x, y) > size - 1) return;
        const at = 2 * (row * POINTS + index);
        targets.points.set([x, y], at);
        targets.weights.fill(1, at, at + 2);
      });
    });
    return targets;
  }

  dispose(): void {
    this.#pixels.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

/** The discs' centres and the front in pixels of the row; crops are canonical, so the front lies on the left. */
function pointsOf({ centres, toImage, pixelSpacing }: SliceRecord): (Point | null)[] {
  const [a, , , d] = toImage;
  const millimetres = Math.hypot(a * pixelSpacing[1], d * pixelSpacing[0]);
  const middle = centres['L3/L4'];
  const front: Point | null = middle && [middle[0] - FRONT_MM / millimetres, middle[1]];
  return [...LEVELS.map((level) => centres[level]), front];
}
