/**
 * The ROIs of a bank for training: all pixels in one device buffer, and the discs of each side of the split with their
 * rows. Views are made on the device from row indices, so a batch uploads a few hundred bytes.
 */
import type { Level } from '../anatomy.js';
import type { BankManifest, RoiRecord, Split } from '../data/types.js';
import type { Device } from '../engine/device.js';
import type { AugmentKeys, AugmentOptions } from '../engine/ops/augment.js';
import type { Tensor } from '../engine/tensor.js';
import { type EncoderInput, encoderInput, type Slots } from '../model/fusion/input.js';
import { type FusionName, fusionSpec, type GraderInput, inputsOf } from '../model/fusion/spec.js';
import type { CropSet } from '../model/grade.js';
import { measureNormalisation } from '../model/normalisation.js';
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
  /** Their slice offsets. */
  offsets: number[];
}

/** The part of a bank that the dataset reads. */
export interface RoiBank {
  manifest: {
    roi: Pick<BankManifest['roi'], 'size' | 'neighbours'>;
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
  readonly input: GraderInput;
  readonly #bySplit: Record<Split, Disc[]> = { train: [], validation: [], test: [] };
  readonly #pixels: Tensor;
  readonly #strengths: Partial<Config['augmentation']>;
  readonly #size: number;
  readonly #crops: Pick<CropSet, 'pixels' | 'size'>;

  /** @param input of a trained model, or the fusion; then the normalisation is measured on the training discs */
  constructor(
    device: Device,
    { manifest, rois }: RoiBank,
    augmentation: Config['augmentation'] | null,
    input: GraderInput | FusionName = 'none',
  ) {
    this.tasks = manifest.tasks;
    const { size } = manifest.roi;
    this.#crops = { pixels: rois, size };
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
        ofSeries = { seriesId, series, row, rows: [], offsets: [] };
        disc.series.push(ofSeries);
      }
      ofSeries.rows.push(row);
      ofSeries.offsets.push(sliceOffset);
      if (sliceOffset === 0) ofSeries.row = row;
    }
    const rank = ({ series }: SeriesRows) => manifest.series.indexOf(series);
    for (const disc of discs.values()) {
      disc.series.sort((a, b) => rank(a) - rank(b));
      ({ row: disc.row, rows: disc.rows } = disc.series[0]!);
    }
    if (typeof input === 'string') {
      const spec = fusionSpec(input, manifest.series, manifest.roi.neighbours);
      const normalisation = Array.from({ length: inputsOf(spec) }, (_, index) => {
        const shown = this.of('train').flatMap((disc) =>
          input === 'none' ? disc.row : (seriesOf(disc, spec.series[index]!)?.row ?? []),
        );
        return measureNormalisation(rois, size * size, shown);
      });
      this.input = { spec, normalisation };
    } else this.input = input;
    this.#strengths = augmentation ?? {};
    this.#size = size;
  }

  of(split: Split): readonly Disc[] {
    return this.#bySplit[split];
  }

  /** The discs with a grade of at least one task. */
  graded(split: Split): readonly Disc[] {
    return this.of(split).filter(({ grades }) => grades.some((grade) => grade !== null));
  }

  /**
   * The crops of a disc that an encoder sees at once. Without fusion: a row of the first series. With `channels`: a row of
   * each series, at the slice offset of that row, or else the annotated slice. With `attention`: all rows of all series.
   *
   * @param choose chooses a row of the first series; default: the annotated slice
   */
  slots(disc: Disc, choose?: (rows: readonly number[]) => number): Slots {
    const { fusion, series, slices } = this.input.spec;
    const shown = series.map((name) => seriesOf(disc, name));
    if (fusion === 'attention') {
      const first = -(slices - 1) / 2;
      return shown.flatMap((item) =>
        Array.from({ length: slices }, (_, slice) => item?.rows[item.offsets.indexOf(first + slice)] ?? null),
      );
    }
    const row = choose ? choose(disc.rows) : disc.row;
    if (fusion === 'none') return [row];
    const { rows, offsets } = disc.series[0]!;
    const offset = offsets[rows.indexOf(row)]!;
    return shown.map((item) => item && (item.rows[item.offsets.indexOf(offset)] ?? item.row));
  }

  /**
   * Augmented, normalised views of discs.
   *
   * @param change strengths that differ from those of the dataset; `side`: crops of this fraction of the ROI side, at any place
   */
  views(
    discs: readonly Slots[],
    keys: AugmentKeys,
    { side, ...change }: Partial<Config['augmentation']> & { side?: number } = {},
  ): EncoderInput {
    const { translation = 0, ...strengths } = { ...this.#strengths, ...change };
    const shift = translation * this.#size;
    if (side === undefined) return this.#make(discs, keys, { ...strengths, translation: shift });
    const pixels = Math.max(1, Math.round(side * this.#size));
    const place = { translation: shift + (this.#size - pixels) / 2, outSize: pixels };
    return this.#make(discs, keys, { ...strengths, ...place });
  }

  /** Normalised crops without augmentation, for evaluation. */
  plain(discs: readonly Slots[]): EncoderInput {
    return this.#make(discs, { seed: 0, step: 0 }, {});
  }

  /** The annotated crops of discs on the host. */
  crops(discs: readonly Disc[]): CropSet {
    return { ...this.#crops, discs: discs.map((disc) => this.slots(disc)) };
  }

  #make(discs: readonly Slots[], keys: AugmentKeys, augmentation: AugmentOptions): EncoderInput {
    const { spec, normalisation } = this.input;
    const options = normalisation.map((own) => ({ ...own, ...augmentation }));
    return encoderInput(this.#pixels, discs, spec, keys, options);
  }

  dispose(): void {
    this.#pixels.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

/** The rows of a disc in a kind of series; null if the disc is not shown by one. */
const seriesOf = (disc: Disc, name: string): SeriesRows | null =>
  disc.series.find(({ series }) => series === name) ?? null;
