/**
 * The ROIs of a bank for training: all pixels in one device buffer, and the discs of each side of the split with their
 * rows. Views are made on the device from row indices, so a batch uploads a few hundred bytes.
 */
import type { Level } from '../anatomy.js';
import type { BankManifest, RoiRecord, Split } from '../data/types.js';
import type { Device } from '../engine/device.js';
import { type AugmentKeys, type AugmentOptions, augment } from '../engine/ops/augment.js';
import { type Tensor, tidy } from '../engine/tensor.js';
import { measureNormalisation, type Normalisation } from '../model/normalisation.js';
import type { Task } from '../tasks/task.js';
import type { Config } from './config.js';

export interface Disc {
  /** Number of the disc in the bank. */
  id: number;
  studyId: string;
  level: Level;
  /** Side of the patient; null for the disc itself. */
  side: RoiRecord['side'];
  /** Per task of the bank, an index into its grades; null without a label. */
  grades: readonly (number | null)[];
  /** One entry per series that shows the disc, in the order of the bank's kinds of series. */
  series: SeriesRows[];
  /** Row of the annotated slice of the first series. */
  row: number;
  /** That row and those of the neighbouring slices of this series. */
  rows: number[];
}

export interface SeriesRows {
  seriesId: string;
  /** Kind of series. */
  series: string;
  /** Row of the annotated slice. */
  row: number;
  /** That row and those of the neighbouring slices. */
  rows: number[];
}

/** The part of a bank that the dataset reads. */
export interface RoiBank {
  manifest: {
    roi: Pick<BankManifest['roi'], 'size'>;
    tasks: readonly Task[];
    series: readonly string[];
    rois: readonly Pick<
      RoiRecord,
      | 'disc'
      | 'row'
      | 'studyId'
      | 'seriesId'
      | 'series'
      | 'level'
      | 'side'
      | 'grades'
      | 'sliceOffset'
      | 'split'
    >[];
  };
  /** uint16 [rows, size, size] */
  rois: Uint16Array;
}

export class RoiDataset {
  readonly tasks: readonly Task[];
  readonly normalisation: Normalisation;
  readonly #bySplit: Record<Split, Disc[]> = { train: [], validation: [], test: [] };
  readonly #pixels: Tensor;
  readonly #augmentation: AugmentOptions;

  /** @param normalisation of a trained model; by default it is measured on the training discs */
  constructor(
    private readonly device: Device,
    { manifest, rois }: RoiBank,
    augmentation: Config['augmentation'] | null,
    normalisation?: Normalisation,
  ) {
    this.tasks = manifest.tasks;
    const { size } = manifest.roi;
    this.#pixels = device.tensor(rois, [manifest.rois.length, size, size]).keep();
    const discs = new Map<number, Disc>();
    for (const roi of manifest.rois) {
      const { disc: id, row, studyId, seriesId, series, level, side, grades, sliceOffset, split } = roi;
      let disc = discs.get(id);
      if (!disc) {
        disc = { id, studyId, level, side, grades, series: [], row, rows: [] };
        discs.set(id, disc);
        this.#bySplit[split].push(disc);
      }
      let ofSeries = disc.series.find((other) => other.seriesId === seriesId);
      if (!ofSeries) {
        ofSeries = { seriesId, series, row, rows: [] };
        disc.series.push(ofSeries);
      }
      ofSeries.rows.push(row);
      if (sliceOffset === 0) ofSeries.row = row;
    }
    const rank = ({ series }: SeriesRows) => manifest.series.indexOf(series);
    for (const disc of discs.values()) {
      disc.series.sort((a, b) => rank(a) - rank(b));
      ({ row: disc.row, rows: disc.rows } = disc.series[0]!);
    }
    const trainRows = this.of('train').map(({ row }) => row);
    this.normalisation = normalisation ?? measureNormalisation(rois, size * size, trainRows);
    const { translation = 0, ...strengths } = augmentation ?? {};
    this.#augmentation = { ...strengths, translation: translation * size };
  }

  of(split: Split): readonly Disc[] {
    return this.#bySplit[split];
  }

  /** The discs with a grade of at least one task. */
  graded(split: Split): readonly Disc[] {
    return this.of(split).filter(({ grades }) => grades.some((grade) => grade !== null));
  }

  /** Augmented, normalised views [N, 1, size, size] of bank rows. */
  views(rows: readonly number[], keys: AugmentKeys): Tensor {
    return this.#make(rows, keys, { ...this.normalisation, ...this.#augmentation });
  }

  /** Normalised rows [N, 1, size, size] without augmentation, for evaluation. */
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
