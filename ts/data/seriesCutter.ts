/** Cuts the crops of one series of a study. A file that cannot be used is reported and affects only its discs. */
import { relative } from 'node:path';
import type { Affine, Box, Level, Point } from '../anatomy.js';
import type { Vector3 } from '../dicom/types.js';
import { applyAffine, invertAffine } from './affine.js';
import { AnnotatedStack, type Spaced } from './annotatedStack.js';
import type { CutSpec } from './cutSpec.js';
import type { ImageSlice } from './images.js';
import type { AnnotatedDisc, AnnotatedSeries } from './layouts/layout.js';
import { type Reports, reportSkipped } from './reports.js';
import { checkInside, cropRoi, letterboxSlice, pointInPatient } from './roi.js';
import type { SourceSlice } from './series.js';
import type { DiscOnSlice, RoiRecord, SliceRecord } from './types.js';

/** A ROI record without the fields that depend on the bank. */
export type CutRoi = Omit<RoiRecord, 'row' | 'disc' | 'split'> & { pixels: Uint16Array };
/** A slice record without the fields that depend on the bank. */
export type CutSlice = Omit<SliceRecord, 'row' | 'split'> & { pixels: Uint16Array };

export class SeriesCutter {
  private readonly stack: AnnotatedStack;

  constructor(
    private readonly studyId: string,
    private readonly series: AnnotatedSeries,
    private readonly spec: CutSpec,
    beforeRead: (path: string) => void,
    private readonly reports: Reports,
  ) {
    this.stack = new AnnotatedStack(series, spec, beforeRead, reports);
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
    return this.stack.discs;
  }

  /** Of its images, by `identitiesOf`; none before `open`. */
  get identities(): readonly string[] {
    return this.stack.identities;
  }

  /** Opens the images and reads the annotation. */
  open(): Promise<void> {
    return this.stack.open();
  }

  /** The ROIs of a disc on its annotated slice and the neighbouring slices; none if it cannot be cut. */
  async cutDisc(disc: AnnotatedDisc): Promise<CutRoi[]> {
    return this.cutAt(disc, async () => ({ entry: this.stack.entryOf(disc), centre: disc.centre }));
  }

  /**
   * The ROIs of a disc that is marked on another series.
   *
   * @param point its centre in patient coordinates
   */
  async cutPlaced(disc: AnnotatedDisc, point: Vector3): Promise<CutRoi[]> {
    return this.cutAt(disc, () => this.stack.place(point));
  }

  private async cutAt(
    disc: AnnotatedDisc,
    placed: () => Promise<{ entry: ImageSlice; centre: Point }>,
  ): Promise<CutRoi[]> {
    let path = this.series.images;
    try {
      const { entry, centre } = await placed();
      path = this.relative(entry.path);
      const rois = [this.roi(disc, entry, await this.stack.readInPlane(entry), centre, 0)];
      for (const { slice, offset } of this.stack.neighboursOf(entry)) {
        try {
          rois.push(this.roi(disc, slice, await this.stack.read(slice), centre, offset));
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
      const entry = this.stack.entryOf(disc);
      return pointInPatient({ ...(await this.stack.read(entry)), geometry: entry.geometry }, disc.centre);
    } catch {
      return null;
    }
  }

  /**
   * The slice with the most marked discs, for the localizer. Null for an axial series, and if there is no disc or no image.
   *
   * @param discs those of the series that are used
   */
  async cutSlice(discs: readonly AnnotatedDisc[]): Promise<CutSlice | null> {
    if (this.stack.plane !== 'sagittal' || discs.length === 0) return null;
    const first = mostAnnotated(discs);
    let path = this.series.images;
    try {
      const entry = this.stack.entryOf(first);
      path = this.relative(entry.path);
      const slice = await this.stack.readInPlane(entry);
      const { pixels, toImage, window } = letterboxSlice(slice, this.spec.sliceSize);
      const toSlice = invertAffine(toImage);
      return {
        ...this.origin(entry, slice),
        imageSize: [slice.columns, slice.rows],
        geometry: entry.geometry,
        side: first.side,
        toImage,
        window,
        discs: discs
          .filter(
            ({ side, centre, level }) => side === first.side && this.isInside(slice, centre, path, level),
          )
          .map(({ level, centre, box }): DiscOnSlice => {
            return { level, centre: applyAffine(toSlice, centre), box: box && mapBox(toSlice, box) };
          }),
        complete: this.stack.complete,
        found: this.stack.found,
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

  private origin(entry: ImageSlice, { pixelSpacing, spacingFrom }: Spaced) {
    const { studyId } = this;
    const { seriesId, series } = this.series;
    const { instanceNumber } = entry;
    const file = this.relative(entry.path);
    return { studyId, seriesId, series, instanceNumber, file, pixelSpacing, spacingFrom };
  }

  private relative(path: string): string {
    return relative(this.spec.dir, path);
  }

  private report(path: string, error: unknown, outcome: string): void {
    reportSkipped(this.reports, path, error, outcome);
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
