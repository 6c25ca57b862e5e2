/** Cuts the crops of one series of a study. A file that cannot be used is reported and affects only its discs. */
import { join, relative } from 'node:path';
import type { Affine, Box, Level, Point } from '../anatomy.js';
import { planeOf } from '../dicom/geometry.js';
import type { Vector3 } from '../dicom/types.js';
import { type Skipped, SpinegradError } from '../error.js';
import type { TaskSeries } from '../tasks/task.js';
import { applyAffine, invertAffine } from './affine.js';
import { type ImageSlice, openImages } from './images.js';
import type {
  AnnotatedDisc,
  AnnotatedSeries,
  DiscAnnotation,
  Layout,
  MaskAnnotation,
} from './layouts/layout.js';
import { annotationFromMask } from './maskAnnotation.js';
import { checkOrientation } from './orientation.js';
import { MAX_DISTANCE_MM, placeOn } from './place.js';
import { checkInside, cropRoi, letterboxSlice, pointInPatient } from './roi.js';
import { neighbours, type PatientAxis, reflectSlice, type SourceSlice } from './series.js';
import { checkSpacing, PITCH_MM } from './spacing.js';
import type { DiscOnSlice, RoiRecord, RoiSpec, SliceRecord } from './types.js';

export interface CutSpec {
  /** The data folder. */
  dir: string;
  layout: Layout;
  /** Sides that the tasks grade. Discs of other sides are for the localizer only. */
  sides: readonly AnnotatedDisc['side'][];
  /** Number of tasks. */
  tasks: number;
  /** Planes of the kinds of series. Other series are assumed to be sagittal. */
  planes: Record<string, TaskSeries['plane']>;
  /** Kinds of series from which ROIs are cut. */
  crops: readonly string[];
  /** Whether each disc is cut from every one of these series, also from those on which it is not marked. */
  everySeries: boolean;
  roi: RoiSpec;
  sliceSize: number;
}

/** A ROI record without the fields that depend on the bank. */
export type CutRoi = Omit<RoiRecord, 'row' | 'disc' | 'split'> & { pixels: Uint16Array };
/** A slice record without the fields that depend on the bank. */
export type CutSlice = Omit<SliceRecord, 'row' | 'split'> & { pixels: Uint16Array };

type Spaced = SourceSlice & Pick<RoiRecord, 'pixelSpacing' | 'spacingFrom'>;

/** What is reported about a study. */
export interface Reports {
  /** What was left out. */
  skipped: Skipped[];
  /** What was corrected; nothing is left out. */
  notices: Skipped[];
}

export class SeriesCutter {
  private readonly plane: TaskSeries['plane'];
  private stack: readonly ImageSlice[] = [];
  private annotation: DiscAnnotation = { kind: 'discs', discs: [], complete: false };
  /** Of the whole series, if it is not that of its files. */
  private spacing: Pick<Spaced, 'pixelSpacing' | 'spacingFrom'> | null = null;
  /** Axes about which the files are wrong. */
  private reflected: readonly PatientAxis[] = [];

  constructor(
    private readonly studyId: string,
    private readonly series: AnnotatedSeries,
    private readonly spec: CutSpec,
    private readonly beforeRead: (path: string) => void,
    private readonly reports: Reports,
  ) {
    this.plane = spec.planes[series.series] ?? 'sagittal';
  }

  /** Kind of series. */
  get kind(): string {
    return this.series.series;
  }

  /** Whether ROIs are cut from the series. */
  get isCropped(): boolean {
    return this.spec.crops.includes(this.series.series);
  }

  /** The marked discs; none before `open` and if the series cannot be opened. */
  get discs(): readonly AnnotatedDisc[] {
    return this.annotation.discs;
  }

  /** Opens the images and reads the annotation. */
  async open(): Promise<void> {
    const { images, annotation } = this.series;
    try {
      const { slices, skipped } = await openImages(join(this.spec.dir, images), this.beforeRead);
      for (const { path, ...error } of skipped)
        this.report(this.relative(path), error, 'not used as a neighbouring slice');
      this.stack = slices;
      this.annotation = annotation.kind === 'discs' ? annotation : await this.readMask(annotation);
      this.checkGeometry();
    } catch (error) {
      this.report(images, error, 'series skipped');
    }
  }

  private async readMask(mask: MaskAnnotation): Promise<DiscAnnotation> {
    const { dir, tasks } = this.spec;
    const path = join(dir, mask.file);
    this.beforeRead(path);
    const { annotation, missing, ungraded } = await annotationFromMask(path, mask, this.stack, tasks);
    for (const level of missing) {
      const message = `${mask.file}: ${level} has a grade but no disc in the mask`;
      this.report(mask.file, new SpinegradError('ERR_DISC_MISSING', message), `${level} skipped`);
    }
    // A patient without any grade is reported once, by the reader of the layout.
    for (const level of Object.keys(mask.grades).length > 0 ? ungraded : []) {
      const message = `${mask.file}: ${level} has a disc in the mask but no grade`;
      this.report(mask.file, new SpinegradError('ERR_LABEL_MISSING', message), 'the disc has no grade');
    }
    return annotation;
  }

  /** The ROIs of a disc on its annotated slice and the neighbouring slices; none if it cannot be cut. */
  async cutDisc(disc: AnnotatedDisc): Promise<CutRoi[]> {
    return this.cutAt(disc, async () => ({ entry: this.entryOf(disc), centre: disc.centre }));
  }

  /**
   * The ROIs of a disc that is marked on another series.
   *
   * @param point its centre in patient coordinates
   */
  async cutPlaced(disc: AnnotatedDisc, point: Vector3): Promise<CutRoi[]> {
    return this.cutAt(disc, () => this.place(point));
  }

  private async cutAt(
    disc: AnnotatedDisc,
    placed: () => Promise<{ entry: ImageSlice; centre: Point }>,
  ): Promise<CutRoi[]> {
    let path = this.series.images;
    try {
      const { entry, centre } = await placed();
      path = this.relative(entry.path);
      const rois = [this.roi(disc, entry, await this.annotated(entry), centre, 0)];
      for (const { slice, offset } of this.neighboursOf(entry)) {
        try {
          rois.push(this.roi(disc, slice, await this.read(slice), centre, offset));
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

  private roi(
    disc: AnnotatedDisc,
    entry: ImageSlice,
    slice: Spaced,
    centrePx: Point,
    sliceOffset: number,
  ): CutRoi {
    const { level, side, grades } = disc;
    const { pixels, toImage, window } = cropRoi(slice, centrePx, this.spec.roi);
    const centreMm = pointInPatient({ ...slice, geometry: entry.geometry }, centrePx);
    const origin = this.origin(entry, slice);
    return { ...origin, level, side, grades, sliceOffset, centrePx, centreMm, toImage, window, pixels };
  }

  /** The centre of a marked disc in patient coordinates; null if the series has no geometry or cannot be read. */
  async patientCentre(disc: AnnotatedDisc): Promise<Vector3 | null> {
    try {
      const entry = this.entryOf(disc);
      return pointInPatient({ ...(await this.read(entry)), geometry: entry.geometry }, disc.centre);
    } catch {
      return null;
    }
  }

  private async place(point: Vector3): Promise<{ entry: ImageSlice; centre: Point }> {
    const placed = await placeOn(this.stack, point, (entry) => this.read(entry));
    if (placed !== null) return placed;
    throw new SpinegradError(
      'ERR_DISC_NOT_SHOWN',
      `no slice of the ${this.series.series} series shows the disc within ${MAX_DISTANCE_MM} mm`,
    );
  }

  /**
   * The slice with the most marked discs, for the localizer. Null for an axial series, and if there is no disc or no image.
   *
   * @param discs those of the series that are used
   */
  async cutSlice(discs: readonly AnnotatedDisc[]): Promise<CutSlice | null> {
    if (this.plane !== 'sagittal' || discs.length === 0) return null;
    const first = mostAnnotated(discs);
    let path = this.series.images;
    try {
      const entry = this.entryOf(first);
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
          .map(({ level, centre, box }): DiscOnSlice => {
            return { level, centre: applyAffine(toSlice, centre), box: box && mapBox(toSlice, box) };
          }),
        complete: this.annotation.complete,
        pixels,
      };
    } catch (error) {
      this.report(path, error, 'slice of the localizer skipped');
      return null;
    }
  }

  private isInside(slice: SourceSlice, centre: Point, path: string, level: Level): boolean {
    try {
      checkInside(slice, centre);
      return true;
    } catch (error) {
      this.report(path, error, `${level} skipped`);
      return false;
    }
  }

  /** Compares spacing and orientation of a sagittal series with its discs. */
  private checkGeometry(): void {
    const { pixelSpacing: table, images } = this.series;
    const { discs } = this.annotation;
    if (table !== null) this.spacing = { pixelSpacing: table, spacingFrom: 'table' };
    if (this.plane !== 'sagittal' || discs.length === 0) return;
    const notice = (code: Skipped['code'], message: string) =>
      this.reports.notices.push({ path: images, code, message });
    const numbers = new Set(discs.map(({ slice }) => slice));
    const isMarked = ({ instanceNumber }: ImageSlice) => numbers.has(instanceNumber);
    if (!this.stack.some(isMarked)) return;
    // Marked slices first: the others are used if the headers of these cannot be read.
    const slices = this.stack.toSorted((a, b) => Number(isMarked(b)) - Number(isMarked(a)));
    const given = table ?? slices.find(({ pixelSpacing }) => pixelSpacing !== null)?.pixelSpacing ?? null;
    const checked = checkSpacing(discs, given, PITCH_MM[this.spec.layout]);
    if (checked !== null && checked.reason !== null) {
      this.spacing = { pixelSpacing: checked.pixelSpacing, spacingFrom: 'pitch' };
      notice('ERR_SPACING_REPLACED', checked.reason);
    }
    const geometry = slices.find((entry) => entry.geometry !== null)?.geometry ?? null;
    const { reflected, notices } = checkOrientation(discs, geometry, checked?.pixelSpacing ?? [1, 1]);
    this.reflected = reflected;
    for (const { code, message } of notices) notice(code, message);
  }

  private origin(entry: ImageSlice, { pixelSpacing, spacingFrom }: Spaced) {
    const { studyId } = this;
    const { seriesId, series } = this.series;
    const { instanceNumber } = entry;
    const file = this.relative(entry.path);
    return { studyId, seriesId, series, instanceNumber, file, pixelSpacing, spacingFrom };
  }

  private entryOf({ slice }: AnnotatedDisc): ImageSlice {
    const entry = this.stack.find(({ instanceNumber }) => instanceNumber === slice);
    if (entry !== undefined) return entry;
    throw new SpinegradError(
      'ERR_INSTANCE_MISSING',
      `slice ${slice} is missing among the ${this.stack.length} of the series`,
    );
  }

  private async annotated(entry: ImageSlice): Promise<Spaced> {
    const slice = await this.read(entry);
    const plane = entry.geometry && planeOf(entry.geometry);
    if (plane === null || plane === 'oblique' || plane === this.plane) return slice;
    throw new SpinegradError(
      'ERR_PLANE',
      `the plane is ${plane}, expected ${this.plane} (${this.series.series})`,
    );
  }

  private neighboursOf(entry: ImageSlice) {
    const comparable = this.stack.filter(({ geometry }) => (geometry === null) === (entry.geometry === null));
    return neighbours(comparable, entry, this.spec.roi.neighbours).filter(({ offset }) => offset !== 0);
  }

  private async read(entry: ImageSlice): Promise<Spaced> {
    const slice = await entry.read();
    const { pixelSpacing, spacingFrom } = this.spacing ?? { ...slice, spacingFrom: 'file' as const };
    if (pixelSpacing === null) {
      throw new SpinegradError('ERR_PIXEL_SPACING', `${slice.path}: Pixel Spacing (0028,0030) is missing`);
    }
    return { ...this.reflected.reduce(reflectSlice, slice), pixelSpacing, spacingFrom };
  }

  private relative(path: string): string {
    return relative(this.spec.dir, path);
  }

  /** Adds an entry to `skipped`, or `outcome` to an existing entry of the same file and error. */
  private report(path: string, error: unknown, outcome: string): void {
    const { skipped } = this.reports;
    const { code = '', message } = error as Partial<SpinegradError> & Error;
    const existing = skipped.find((entry) => entry.path === path && entry.message.startsWith(message));
    const known = code.startsWith('ERR_') ? (code as SpinegradError['code']) : 'ERR_FILE_READ';
    if (existing === undefined) skipped.push({ path, code: known, message: `${message}; ${outcome}` });
    else if (!existing.message.endsWith(outcome)) existing.message += `; ${outcome}`;
  }
}

/** The upright rectangle around a mapped box. */
function mapBox(map: Affine, [left, top, right, bottom]: Box): Box {
  const [ax, ay] = applyAffine(map, [left, top]);
  const [bx, by] = applyAffine(map, [right, bottom]);
  return [Math.min(ax, bx), Math.min(ay, by), Math.max(ax, bx), Math.max(ay, by)];
}

/** The first disc on the slice that has the most discs. */
function mostAnnotated(discs: readonly AnnotatedDisc[]): AnnotatedDisc {
  const count = ({ slice }: AnnotatedDisc) => discs.filter((other) => other.slice === slice).length;
  return discs.reduce((best, disc) => (count(disc) > count(best) ? disc : best));
}
