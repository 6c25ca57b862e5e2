/** The images of one series with its annotation. Spacing and orientation are corrected if the discs contradict the files. */
import { join, relative } from 'node:path';
import type { Point } from '../anatomy.js';
import { planeOf } from '../dicom/geometry.js';
import type { Vector3 } from '../dicom/types.js';
import { type Skipped, SpinegradError } from '../error.js';
import type { TaskSeries } from '../tasks/task.js';
import type { CutSpec } from './cutSpec.js';
import { identitiesOf } from './identity.js';
import { type ImageSlice, openImages } from './images.js';
import type { AnnotatedDisc, AnnotatedSeries, DiscAnnotation, MaskAnnotation } from './layouts/layout.js';
import { annotationFromMask } from './maskAnnotation.js';
import { checkOrientation } from './orientation.js';
import { MAX_DISTANCE_MM, placeOn } from './place.js';
import { type Reports, reportSkipped } from './reports.js';
import { neighbours, type PatientAxis, reflectSlice, type SourceSlice } from './series.js';
import { checkSpacing, PITCH_MM } from './spacing.js';
import type { RoiRecord } from './types.js';

/** A slice with its corrected spacing and orientation. */
export type Spaced = SourceSlice & Pick<RoiRecord, 'pixelSpacing' | 'spacingFrom'>;

export class AnnotatedStack {
  readonly plane: TaskSeries['plane'];
  /** Of its images, by `identitiesOf`; none before `open`. */
  identities: readonly string[] = [];
  private images: readonly ImageSlice[] = [];
  private annotation: DiscAnnotation = { kind: 'discs', discs: [], complete: false, found: false };
  /** The spacing of the whole series; null: each file states its own. */
  private spacing: Pick<Spaced, 'pixelSpacing' | 'spacingFrom'> | null = null;
  /** Axes about which the files are wrong. */
  private reflected: readonly PatientAxis[] = [];

  constructor(
    private readonly series: AnnotatedSeries,
    private readonly spec: CutSpec,
    private readonly beforeRead: (path: string) => void,
    private readonly reports: Reports,
  ) {
    this.plane = spec.planes[series.series] ?? 'sagittal';
  }

  /** The marked discs; none before `open` and if the series cannot be opened. */
  get discs(): readonly AnnotatedDisc[] {
    return this.annotation.discs;
  }

  /** Whether every visible disc is marked. */
  get complete(): boolean {
    return this.annotation.complete;
  }

  /** Whether a localizer found the discs. */
  get found(): boolean {
    return this.annotation.found;
  }

  /** Opens the images and reads the annotation. */
  async open(): Promise<void> {
    const { images, annotation } = this.series;
    try {
      const stack = await openImages(join(this.spec.dir, images), this.beforeRead);
      for (const { path, ...error } of stack.skipped)
        this.report(relative(this.spec.dir, path), error, 'not used as a neighbouring slice');
      this.images = stack.slices;
      this.identities = await identitiesOf(stack);
      this.annotation = annotation.kind === 'discs' ? annotation : await this.readMask(annotation);
      this.checkGeometry();
    } catch (error) {
      this.report(images, error, 'series skipped');
    }
  }

  /**
   * The slice on which a disc is marked.
   *
   * @throws SpinegradError ERR_INSTANCE_MISSING
   */
  entryOf({ slice }: AnnotatedDisc): ImageSlice {
    const entry = this.images.find(({ instanceNumber }) => instanceNumber === slice);
    if (entry !== undefined) return entry;
    throw new SpinegradError(
      'ERR_INSTANCE_MISSING',
      `slice ${slice} is missing among the ${this.images.length} of the series`,
    );
  }

  /**
   * The pixels of a slice.
   *
   * @throws SpinegradError ERR_PIXEL_SPACING; those of `ImageSlice.read`
   */
  async read(entry: ImageSlice): Promise<Spaced> {
    const slice = await entry.read();
    const { pixelSpacing, spacingFrom } = this.spacing ?? { ...slice, spacingFrom: 'file' as const };
    if (pixelSpacing === null) {
      throw new SpinegradError('ERR_PIXEL_SPACING', `${slice.path}: Pixel Spacing (0028,0030) is missing`);
    }
    return { ...this.reflected.reduce(reflectSlice, slice), pixelSpacing, spacingFrom };
  }

  /**
   * The pixels of a slice whose plane is that of the series or not known.
   *
   * @throws SpinegradError ERR_PLANE; those of `read`
   */
  async readInPlane(entry: ImageSlice): Promise<Spaced> {
    const slice = await this.read(entry);
    const plane = entry.geometry && planeOf(entry.geometry);
    if (plane === null || plane === 'oblique' || plane === this.plane) return slice;
    throw new SpinegradError(
      'ERR_PLANE',
      `the plane is ${plane}, expected ${this.plane} (${this.series.series})`,
    );
  }

  /** Up to `roi.neighbours` slices on each side of a slice. */
  neighboursOf(entry: ImageSlice) {
    const comparable = this.images.filter(
      ({ geometry }) => (geometry === null) === (entry.geometry === null),
    );
    return neighbours(comparable, entry, this.spec.roi.neighbours).filter(({ offset }) => offset !== 0);
  }

  /**
   * The slice that shows a patient point, and the point on it.
   *
   * @throws SpinegradError ERR_DISC_NOT_SHOWN
   */
  async place(point: Vector3): Promise<{ entry: ImageSlice; centre: Point }> {
    const placed = await placeOn(this.images, point, (entry) => this.read(entry));
    if (placed !== null) return placed;
    throw new SpinegradError(
      'ERR_DISC_NOT_SHOWN',
      `no slice of the ${this.series.series} series shows the disc within ${MAX_DISTANCE_MM} mm`,
    );
  }

  private async readMask(mask: MaskAnnotation): Promise<DiscAnnotation> {
    const { dir, tasks } = this.spec;
    const path = join(dir, mask.file);
    this.beforeRead(path);
    const { annotation, missing, ungraded } = await annotationFromMask(path, mask, this.images, tasks);
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
    if (!this.images.some(isMarked)) return;
    // Marked slices first. Other slices are used only if the headers of the marked ones cannot be read.
    const slices = this.images.toSorted((a, b) => Number(isMarked(b)) - Number(isMarked(a)));
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

  private report(path: string, error: unknown, outcome: string): void {
    reportSkipped(this.reports, path, error, outcome);
  }
}
