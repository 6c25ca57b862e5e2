/**
 * Cuts one study: the ROIs of its discs on the annotated and the neighbouring slices, and one letterboxed slice per
 * sagittal series for the localizer. A file that cannot be used is reported and affects only its discs.
 */
import { join, relative } from 'node:path';
import type { Box, Point } from '../anatomy.js';
import { planeOf } from '../dicom/geometry.js';
import { type Skipped, SpinegradError } from '../error.js';
import type { TaskSeries } from '../tasks/task.js';
import { applyAffine, invertAffine } from './affine.js';
import { type ImageSlice, openImages } from './images.js';
import type { AnnotatedDisc, AnnotatedSeries, Study } from './layouts/layout.js';
import { checkInside, cropRoi, letterboxSlice, pointInPatient } from './roi.js';
import { neighbours, type SourceSlice } from './series.js';
import type { DiscOnSlice, RoiRecord, RoiSpec, SliceRecord } from './types.js';

export interface CutSpec {
  /** The data folder. */
  dir: string;
  /** Planes of the kinds of series. Other series are assumed to be sagittal. */
  planes: Record<string, TaskSeries['plane']>;
  /** Kinds of series from which ROIs are cut. */
  crops: readonly string[];
  roi: RoiSpec;
  sliceSize: number;
}

/** A ROI record without the fields that depend on the bank. */
export type CutRoi = Omit<RoiRecord, 'row' | 'disc' | 'split'> & { pixels: Uint16Array };
/** A slice record without the fields that depend on the bank. */
export type CutSlice = Omit<SliceRecord, 'row' | 'split'> & { pixels: Uint16Array };

export interface CutStudy {
  studyId: string;
  /** ROIs per disc, by series; the first one of a series is on its annotated slice. */
  discs: CutRoi[][];
  /** At most one per sagittal series. */
  slices: CutSlice[];
  skipped: Skipped[];
}

type Spaced = SourceSlice & Pick<RoiRecord, 'pixelSpacing' | 'spacingFrom'>;

/**
 * Cuts a study. Invalid files are listed in `skipped`; they do not reject.
 *
 * @param beforeRead as in `openImages`
 */
export async function cutStudy(
  study: Study,
  spec: CutSpec,
  beforeRead: (path: string) => void,
): Promise<CutStudy> {
  const skipped: Skipped[] = [];
  const discs = new Map<string, CutRoi[]>();
  const slices: CutSlice[] = [];
  for (const series of study.series) {
    const cutter = new SeriesCutter(study.studyId, series, spec, beforeRead, skipped);
    const cut = await cutter.cut();
    for (const rois of cut.discs) {
      const { level, side } = rois[0]!;
      const key = `${level} ${side}`;
      discs.set(key, [...(discs.get(key) ?? []), ...rois]);
    }
    if (cut.slice !== null) slices.push(cut.slice);
  }
  return { studyId: study.studyId, discs: [...discs.values()], slices, skipped };
}

class SeriesCutter {
  private readonly plane: TaskSeries['plane'];

  constructor(
    private readonly studyId: string,
    private readonly series: AnnotatedSeries,
    private readonly spec: CutSpec,
    private readonly beforeRead: (path: string) => void,
    private readonly skipped: Skipped[],
  ) {
    this.plane = spec.planes[series.series] ?? 'sagittal';
  }

  async cut(): Promise<{ discs: CutRoi[][]; slice: CutSlice | null }> {
    const { images, annotation } = this.series;
    try {
      if (annotation.kind === 'mask') {
        throw new SpinegradError('ERR_MASK', `${annotation.file}: masks cannot be read yet`);
      }
      const { slices, skipped } = await openImages(join(this.spec.dir, images), this.beforeRead);
      for (const { path, ...error } of skipped)
        this.report(this.relative(path), error, 'not used as a neighbouring slice');
      return await this.cutDiscs(slices, annotation.discs, annotation.complete);
    } catch (error) {
      this.report(images, error, 'series skipped');
      return { discs: [], slice: null };
    }
  }

  private async cutDiscs(
    stack: readonly ImageSlice[],
    annotated: readonly AnnotatedDisc[],
    complete: boolean,
  ) {
    const crops = this.spec.crops.includes(this.series.series);
    const used: AnnotatedDisc[] = [];
    const discs: CutRoi[][] = [];
    for (const disc of annotated) {
      const rois = crops ? await this.cutDisc(stack, disc) : [];
      if (crops && rois.length === 0) continue;
      used.push(disc);
      if (crops) discs.push(rois);
    }
    const hasSlice = this.plane === 'sagittal' && used.length > 0;
    return { discs, slice: hasSlice ? await this.cutSlice(stack, used, complete) : null };
  }

  private async cutDisc(stack: readonly ImageSlice[], disc: AnnotatedDisc): Promise<CutRoi[]> {
    let path = this.series.images;
    try {
      const entry = this.entryOf(stack, disc);
      path = this.relative(entry.path);
      const rois = [this.roi(disc, entry, await this.annotated(entry), 0)];
      for (const { slice, offset } of this.neighboursOf(stack, entry)) {
        try {
          rois.push(this.roi(disc, slice, await this.read(slice), offset));
        } catch (error) {
          this.report(this.relative(slice.path), error, 'neighbouring slice skipped');
        }
      }
      return rois;
    } catch (error) {
      this.report(path, error, `${disc.level} skipped`);
      return [];
    }
  }

  private roi(disc: AnnotatedDisc, entry: ImageSlice, slice: Spaced, sliceOffset: number): CutRoi {
    const { pixels, toImage, window } = cropRoi(slice, disc.centre, this.spec.roi);
    return {
      ...this.origin(entry, slice),
      level: disc.level,
      side: disc.side,
      grades: disc.grades,
      sliceOffset,
      centrePx: disc.centre,
      centreMm: pointInPatient(slice, disc.centre),
      toImage,
      window,
      pixels,
    };
  }

  /** The slice with the most annotated discs, with the discs of the series. */
  private async cutSlice(
    stack: readonly ImageSlice[],
    discs: readonly AnnotatedDisc[],
    complete: boolean,
  ): Promise<CutSlice | null> {
    const number = mostFrequent(discs.map((disc) => disc.slice));
    const first = discs.find((disc) => disc.slice === number)!;
    let path = this.series.images;
    try {
      const entry = this.entryOf(stack, first);
      path = this.relative(entry.path);
      const slice = await this.annotated(entry);
      const { pixels, toImage, window } = letterboxSlice(slice, this.spec.sliceSize);
      const toSlice = invertAffine(toImage);
      return {
        ...this.origin(entry, slice),
        imageSize: [slice.columns, slice.rows],
        toImage,
        window,
        discs: discs
          .filter(
            ({ side, centre, level }) => side === first.side && this.isInside(slice, centre, path, level),
          )
          .map(
            ({ level, centre, box }): DiscOnSlice => ({
              level,
              centre: applyAffine(toSlice, centre),
              box: box && mapBox(toSlice, box),
            }),
          ),
        complete,
        pixels,
      };
    } catch (error) {
      this.report(path, error, 'slice of the localizer skipped');
      return null;
    }
  }

  private isInside(slice: SourceSlice, centre: Point, path: string, level: string): boolean {
    try {
      checkInside(slice, centre);
      return true;
    } catch (error) {
      this.report(path, error, `${level} skipped`);
      return false;
    }
  }

  private origin(entry: ImageSlice, { pixelSpacing, spacingFrom }: Spaced) {
    return {
      studyId: this.studyId,
      seriesId: this.series.seriesId,
      series: this.series.series,
      instanceNumber: entry.instanceNumber,
      file: this.relative(entry.path),
      pixelSpacing,
      spacingFrom,
    };
  }

  private entryOf(stack: readonly ImageSlice[], { slice }: AnnotatedDisc): ImageSlice {
    const entry = stack.find(({ instanceNumber }) => instanceNumber === slice);
    if (entry !== undefined) return entry;
    throw new SpinegradError(
      'ERR_INSTANCE_MISSING',
      `slice ${slice} is missing among the ${stack.length} of the series`,
    );
  }

  private async annotated(entry: ImageSlice): Promise<Spaced> {
    const slice = await this.read(entry);
    const plane = slice.geometry && planeOf(slice.geometry);
    if (plane !== null && plane !== 'oblique' && plane !== this.plane) {
      throw new SpinegradError(
        'ERR_PLANE',
        `the plane is ${plane}, expected ${this.plane} (${this.series.series})`,
      );
    }
    return slice;
  }

  private neighboursOf(stack: readonly ImageSlice[], entry: ImageSlice) {
    const comparable = stack.filter(({ geometry }) => (geometry === null) === (entry.geometry === null));
    return neighbours(comparable, entry, this.spec.roi.neighbours).filter(({ offset }) => offset !== 0);
  }

  private async read(entry: ImageSlice): Promise<Spaced> {
    const slice = await entry.read();
    const given = this.series.pixelSpacing;
    const pixelSpacing = given ?? slice.pixelSpacing;
    if (pixelSpacing === null) {
      throw new SpinegradError('ERR_PIXEL_SPACING', `${slice.path}: Pixel Spacing (0028,0030) is missing`);
    }
    return { ...slice, pixelSpacing, spacingFrom: given === null ? 'file' : 'table' };
  }

  private relative(path: string): string {
    return relative(this.spec.dir, path);
  }

  /** Adds an entry to `skipped`, or `outcome` to an existing entry of the same file and error. */
  private report(path: string, error: unknown, outcome: string): void {
    const code = (error as Partial<SpinegradError>).code?.startsWith('ERR_')
      ? (error as SpinegradError).code
      : 'ERR_FILE_READ';
    const { message } = error as Error;
    const existing = this.skipped.find((entry) => entry.path === path && entry.message.startsWith(message));
    if (existing === undefined) this.skipped.push({ path, code, message: `${message}; ${outcome}` });
    else if (!existing.message.endsWith(outcome)) existing.message += `; ${outcome}`;
  }
}

/** The upright rectangle around the corners of a box. */
function mapBox(map: Parameters<typeof applyAffine>[0], [left, top, right, bottom]: Box): Box {
  const [a, b]: [Point, Point] = [applyAffine(map, [left, top]), applyAffine(map, [right, bottom])];
  return [Math.min(a[0], b[0]), Math.min(a[1], b[1]), Math.max(a[0], b[0]), Math.max(a[1], b[1])];
}

/** The most frequent value; the first one of a tie. */
function mostFrequent<T>(values: readonly T[]): T {
  const count = (value: T) => values.filter((other) => other === value).length;
  return values.reduce((best, value) => (count(value) > count(best) ? value : best));
}
