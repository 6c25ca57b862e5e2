/**
 * The whole slices of a bank for the localizer: all pixels in one device buffer, views made on the device, and the
 * annotated points moved with the pixels.
 */
import { LEVELS, type Point } from '../anatomy.js';
import { applyAffine, invertAffine } from '../data/affine.js';
import type { Bank } from '../data/bank.js';
import { centreOf, isLocated } from '../data/manifest.js';
import type { SliceRecord, Split } from '../data/types.js';
import type { Device } from '../engine/device.js';
import { type AugmentKeys, type AugmentOptions, augment, augmentGeometry } from '../engine/ops/augment.js';
import { type Tensor, tidy } from '../engine/tensor.js';
import { ANTERIOR_MM, POINTS } from '../model/localizer.js';
import type { LetterboxedSlice } from '../model/locate.js';
import { measureNormalisation, type Normalisation } from '../model/normalisation.js';

/** Twelve numbers per slice in the order of the localizer's output: (x, y) in pixels of the view. */
export interface Targets {
  points: Float32Array;
  /** 1 if the point is annotated and lies in the view, else 0. */
  weights: Float32Array;
}

export class SliceDataset {
  readonly size: number;
  readonly normalisation: Normalisation;
  readonly #records: readonly SliceRecord[];
  readonly #slices: Uint16Array;
  readonly #pixels: Tensor;

  /** @param normalisation of a trained model; by default it is measured on the training slices */
  constructor(
    private readonly device: Device,
    { manifest, slices }: Bank,
    normalisation?: Normalisation,
  ) {
    this.size = manifest.sliceSize;
    this.#records = manifest.slices;
    this.#slices = slices;
    this.#pixels = device.tensor(slices, [manifest.slices.length, this.size, this.size]).keep();
    const trainRows = this.of('train').map(({ row }) => row);
    this.normalisation = normalisation ?? measureNormalisation(slices, this.size * this.size, trainRows);
  }

  of(split: Split): readonly SliceRecord[] {
    return this.#records.filter((record) => record.split === split);
  }

  /** Slices of a side of the split with at least one annotated disc. */
  annotated(split: Split): readonly SliceRecord[] {
    return this.of(split).filter(isLocated);
  }

  /** Pixels on the host, for `locate`. */
  letterboxed(records: readonly SliceRecord[]): LetterboxedSlice[] {
    const pixels = this.size * this.size;
    return records.map(({ row, toImage }) => ({
      pixels: this.#slices.subarray(row * pixels, (row + 1) * pixels),
      toImage,
    }));
  }

  /** Normalised views [N, 1, size, size]; without options the slices are not augmented. */
  views(records: readonly SliceRecord[], keys: AugmentKeys, options: AugmentOptions = {}): Tensor {
    const rows = Int32Array.from(records, ({ row }) => row);
    return tidy(() =>
      augment(this.#pixels, this.device.tensor(rows), keys, { ...options, ...this.normalisation }),
    );
  }

  /** The points in the views that `views` makes of the same arguments. */
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

/** The disc centres and the anterior point in pixels of the row. Anterior is left in a letterboxed slice. */
function pointsOf(record: SliceRecord): (Point | null)[] {
  const { toImage, pixelSpacing } = record;
  const [a, , , d] = toImage;
  const mmPerPixel = Math.hypot(a * pixelSpacing[1], d * pixelSpacing[0]);
  const middle = centreOf(record, 'L3/L4');
  const anterior: Point | null = middle && [middle[0] - ANTERIOR_MM / mmPerPixel, middle[1]];
  return [...LEVELS.map((level) => centreOf(record, level)), anterior];
}
