/**
 * Where the discs of test patients are by the localizer, on any series of their study. On the series that it searched this is
 * the found point on the annotated slice. On another series, and at a side, it is the found point on the midline slice plus
 * the offset of the site, on the slice nearest to it, so that the crop is where `predict` would cut it.
 */
import { dirname, join, relative, resolve } from 'node:path';
import type { PatientPoint, Point } from '../anatomy.js';
import { applyAffine } from '../data/affine.js';
import { asCut, type ImageSlice, isImageFile, openImages, readRecord } from '../data/images.js';
import { nearestOn, placeOn } from '../data/place.js';
import { pointInPatient } from '../data/roi.js';
import { neighbours, type SourceSlice } from '../data/series.js';
import type { BankManifest, RoiRecord, SliceRecord } from '../data/types.js';
import type { EvaluatedSlice, FoundDisc } from '../evaluation/localization.js';
import { offsetTo, type Site } from '../model/sites.js';
import { predictedCentre } from './predictedCentre.js';
import type { SeriesRows } from './roiDataset.js';

/** A test slice and the discs that the localizer found on it. */
export interface SearchedSlice extends EvaluatedSlice {
  record: SliceRecord;
  /** Mean distance of lumbar discs on the slices that the localizer was trained on. */
  pitchMm: number;
}

/** What the localizer states about a disc. */
export interface Origin {
  slice: SearchedSlice;
  /** The found disc of the level. */
  named: FoundDisc | undefined;
  /** The centre on the slice, from its neighbours if the disc was not found; null if no disc was found. */
  point: Point | null;
}

/** A disc on a series. */
export interface PredictedPlace {
  /** The slices to cut, with their offsets from the slice of the disc. */
  slices: { slice: SourceSlice; offset: number }[];
  /** File of the slice of the disc, relative to the data folder. */
  file: string;
  /** In pixels of the slices. */
  centre: Point;
  /** In patient coordinates; null without geometry. */
  centreMm: PatientPoint | null;
  /** Whether a slice shows the predicted point; if not, the nearest slice is used. */
  shown: boolean;
}

export class PredictedPlaces {
  readonly #byStudy: ReadonlyMap<string, readonly SearchedSlice[]>;
  #last: { key: string; slice: Promise<SourceSlice> } | undefined;
  /** Images of one study. */
  #opened: { studyId: string; stacks: Map<string, Promise<readonly ImageSlice[]>> } | undefined;

  constructor(
    private readonly manifest: BankManifest,
    private readonly sites: readonly Site[],
    searched: readonly SearchedSlice[],
  ) {
    const byStudy = new Map<string, SearchedSlice[]>();
    for (const slice of searched) {
      const { studyId } = slice.record;
      byStudy.set(studyId, [...(byStudy.get(studyId) ?? []), slice]);
    }
    this.#byStudy = byStudy;
  }

  /** What the localizer states about the disc of a record, on its series or on the midline; undefined if it searched neither. */
  originOf(record: RoiRecord): Origin | undefined {
    const slices = this.#byStudy.get(record.studyId) ?? [];
    const slice =
      slices.find((item) => isOwn(item, record)) ?? slices.find((item) => item.record.side === null);
    if (slice === undefined) return undefined;
    const named = slice.found.find(({ level }) => level === record.level);
    return { slice, named, point: predictedCentre(slice.found, record.level, stepOf(slice)) };
  }

  /**
   * The place of a disc on a series.
   *
   * @param count slices on each side
   * @param nearest whether the nearest slice is used if none shows the disc
   * @returns null if the series does not show it, or if there is no way from the searched slice to the series
   */
  async place(
    { slice, point }: Origin,
    shown: SeriesRows,
    count: number,
    nearest = false,
  ): Promise<PredictedPlace | null> {
    const record = this.manifest.rois[shown.row]!;
    if (point === null) return null;
    if (isOwn(slice, record)) return this.annotated(shown, count, point);
    const found = pointInPatient(slice.record, point);
    const offset = offsetTo(this.sites, record.series, record.side);
    if (found === null || offset === null) return null;
    const target: PatientPoint = [found[0] + offset[0], found[1] + offset[1], found[2] + offset[2]];
    const stack = await this.#stackOf(record);
    // A file that cannot be read is left out, as in the bank.
    const read = (entry: ImageSlice) =>
      entry.read().then(
        (file) => asCut(file, record),
        () => null,
      );
    const near = await placeOn(stack, target, read);
    const placed = near ?? (nearest ? await nearestOn(stack, target, read) : null);
    if (placed === null) return null;
    const { entry, centre } = placed;
    const slices: PredictedPlace['slices'] = [];
    for (const { slice: other, offset: index } of neighbours(stack, entry, count)) {
      const neighbour = await read(other);
      if (neighbour !== null) slices.push({ slice: neighbour, offset: index });
    }
    const { geometry } = entry;
    return {
      slices,
      file: relative(this.manifest.dataDir, entry.path),
      centre,
      centreMm: pointInPatient({ geometry, pixelSpacing: record.pixelSpacing }, centre),
      shown: near !== null,
    };
  }

  /** A point on the annotated slice of a series; by default the middle of the image. */
  async annotated({ row, rows, offsets }: SeriesRows, count: number, point?: Point): Promise<PredictedPlace> {
    const record = this.manifest.rois[row]!;
    const chosen = rows.filter((_, index) => Math.abs(offsets[index]!) <= count);
    const slices: PredictedPlace['slices'] = [];
    for (const other of chosen.map((chosenRow) => this.manifest.rois[chosenRow]!)) {
      slices.push({ slice: await this.#read(other), offset: other.sliceOffset });
    }
    const { columns, rows: height } = slices.find(({ offset }) => offset === 0)!.slice;
    const { file } = record;
    const centre = point ?? [columns / 2, height / 2];
    return { slices, file, centre, centreMm: null, shown: true };
  }

  /** The slice of a record. Consecutive records are often on one slice. */
  #read(record: RoiRecord): Promise<SourceSlice> {
    const key = `${record.file} ${record.instanceNumber}`;
    if (this.#last?.key !== key) this.#last = { key, slice: readRecord(this.manifest, record) };
    return this.#last.slice;
  }

  /** All slices of the series of a record. */
  #stackOf({ studyId, seriesId, file }: RoiRecord): Promise<readonly ImageSlice[]> {
    if (this.#opened?.studyId !== studyId) this.#opened = { studyId, stacks: new Map() };
    const { dataDir } = this.manifest;
    const path = join(dataDir, file);
    const isSeries = isImageFile(path) || resolve(dataDir, seriesId) === path;
    const key = isSeries ? path : dirname(path);
    const { stacks } = this.#opened;
    const stack = stacks.get(key) ?? openImages(key).then(({ slices }) => slices);
    stacks.set(key, stack);
    return stack;
  }
}

/**
 * Whether the found points of a slice are those of a record. A midline slice shows no side; a slice of one side stands for
 * both, because they look alike in projection.
 */
const isOwn = ({ record: { seriesId, side } }: SearchedSlice, record: RoiRecord): boolean =>
  seriesId === record.seriesId && (side !== null || record.side === null);

/** The usual way from a disc to the next caudal one in pixels of the image; the letterboxed slice has the head up. */
function stepOf({ record, pitchMm }: SearchedSlice): Point {
  const {
    toImage,
    pixelSpacing: [row, column],
  } = record;
  const [origin, below] = [applyAffine(toImage, [0, 0]), applyAffine(toImage, [0, 1])];
  const [dx, dy] = [below[0] - origin[0], below[1] - origin[1]];
  const scale = pitchMm / Math.hypot(dx * column, dy * row);
  return [dx * scale, dy * scale];
}
