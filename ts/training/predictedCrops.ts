/**
 * The crops of a disc at its predicted centre, one per slot of the grader's input. On the graded series the centre is that
 * of the localizer; on another series that the localizer searched, its own; on the others the centre is projected, so that
 * the crop is where `predict` would cut it.
 */
import { dirname, join } from 'node:path';
import type { Point } from '../anatomy.js';
import { type ImageSlice, isImageFile, openImages, readRecord } from '../data/images.js';
import { placeOn } from '../data/place.js';
import { clampToImage, cropRoi, pointInPatient } from '../data/roi.js';
import { neighbours, type SourceSlice } from '../data/series.js';
import type { BankManifest, RoiRecord } from '../data/types.js';
import type { Slots } from '../model/fusion/input.js';
import type { FusionSpec } from '../model/fusion/spec.js';
import type { CropSet } from '../model/grade.js';
import type { Disc, SeriesRows } from './roiDataset.js';

/** The disc on the graded series. */
export interface PredictedDisc {
  disc: Disc;
  record: RoiRecord;
  source: SourceSlice;
  centre: Point;
  /** The centre on another series by the localizer; null if it did not search the series or did not find the disc. */
  centreOn(record: RoiRecord): Point | null;
}

/** Collects the crops of discs. */
export class PredictedCrops {
  readonly #crops: Uint16Array[] = [];
  readonly #discs: Slots[] = [];
  #stack: { key: string; slices: Promise<readonly ImageSlice[]> } | undefined;

  constructor(
    private readonly manifest: BankManifest,
    private readonly spec: FusionSpec,
  ) {}

  /**
   * Cuts the crops of a disc.
   *
   * @returns the row of the crop on the slice of `record`, and the names of the series that do not show the disc
   */
  async add(predicted: PredictedDisc): Promise<{ row: number; missing: string[] }> {
    const { fusion, series, slices } = this.spec;
    if (fusion === 'none') {
      const row = this.#cut(predicted.source, predicted.centre);
      this.#discs.push([row]);
      return { row, missing: [] };
    }
    const slots = await Promise.all(
      series.map((name) => {
        const shown = predicted.disc.series.find((item) => item.series === name);
        return shown === undefined ? null : this.#seriesSlots(predicted, shown, (slices - 1) / 2);
      }),
    );
    this.#discs.push(slots.flatMap((own) => own ?? new Array<null>(slices).fill(null)));
    const own = series.indexOf(predicted.record.series);
    return {
      row: slots[own]![(slices - 1) / 2]!,
      missing: series.filter((_, index) => slots[index] === null),
    };
  }

  /** The collected crops. */
  finish(): CropSet {
    const { size } = this.manifest.roi;
    const pixels = new Uint16Array(this.#crops.length * size * size);
    this.#crops.forEach((crop, index) => {
      pixels.set(crop, index * size * size);
    });
    return { pixels, size, discs: this.#discs };
  }

  /** The slots of one series, from -count to count slices from the one that shows the disc; null if none does. */
  async #seriesSlots(
    { record, source, centre, centreOn }: PredictedDisc,
    shown: SeriesRows,
    count: number,
  ): Promise<(number | null)[] | null> {
    const own = this.manifest.rois[shown.row]!;
    const found = own.seriesId === record.seriesId ? centre : centreOn(own);
    const slots = new Array<number | null>(2 * count + 1).fill(null);
    if (found !== null) {
      for (const [index, row] of shown.rows.entries()) {
        const slot = shown.offsets[index]! + count;
        if (slot < 0 || slot >= slots.length) continue;
        slots[slot] = this.#cut(await readRecord(this.manifest, this.manifest.rois[row]!), found);
      }
      return slots;
    }
    const point = pointInPatient(source, centre);
    const stack = point && (await this.#stackOf(own));
    const placed = stack && (await placeOn(stack, point));
    if (!placed) return null;
    for (const { slice, offset } of neighbours(stack, placed.entry, count)) {
      const { pixelSpacing } = own;
      slots[offset + count] = this.#cut({ ...(await slice.read()), pixelSpacing }, placed.centre);
    }
    return slots;
  }

  /** All slices of the series of a record. */
  #stackOf({ file }: RoiRecord): Promise<readonly ImageSlice[]> {
    const path = join(this.manifest.dataDir, file);
    const key = isImageFile(path) ? path : dirname(path);
    if (this.#stack?.key !== key) {
      this.#stack = { key, slices: openImages(key).then(({ slices }) => slices) };
    }
    return this.#stack.slices;
  }

  #cut(slice: SourceSlice, centre: Point): number {
    const inside = clampToImage(centre, [slice.columns, slice.rows]);
    return this.#crops.push(cropRoi(slice, inside, this.manifest.roi).pixels) - 1;
  }
}
