/**
 * The bank's whole slices as the localizer's training sees them: all pixels in one device buffer, views made there,
 * and the disc centres moved with the pixels.
 */
import { applyAffine, invertAffine } from '../data/affine.js';
import type { Bank } from '../data/bank.js';
import { LEVELS, type SliceRecord, type Split } from '../data/types.js';
import type { Device } from '../engine/device.js';
import { type AugmentKeys, type AugmentOptions, augment, augmentGeometry } from '../engine/ops/augment.js';
import { type Tensor, tidy } from '../engine/tensor.js';
import { measure, type Normalisation } from './discs.js';

/** Ten numbers a row, as the localizer gives them: (x, y) in pixels of the view from L1/L2 to L5/S1. */
export interface Targets {
  centres: Float32Array;
  /** 1 where the centre is annotated and lies in the view, else 0. */
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

  /** Where the discs lie in `views(...)` of the same arguments. */
  targets(records: readonly SliceRecord[], keys: AugmentKeys, options: AugmentOptions = {}): Targets {
    const { size } = this;
    const count = 2 * LEVELS.length * records.length;
    const targets = { centres: new Float32Array(count), weights: new Float32Array(count) };
    records.forEach(({ centres }, row) => {
      const toView = invertAffine(augmentGeometry([size, size], row, keys, options));
      LEVELS.forEach((level, index) => {
        const centre = centres[level];
        if (!centre) return;
        const [x, y] = applyAffine(toView, centre);
        if (Math.min(x, y) < 0 || Math.max(x, y) > size - 1) return;
        const at = 2 * (row * LEVELS.length + index);
        targets.centres.set([x, y], at);
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
