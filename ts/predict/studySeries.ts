/** Places the discs that were found on one slice on the series of a study. */
import type { Point, Side } from '../anatomy.js';
import { type ImageSlice, openSeries } from '../data/images.js';
import { MAX_DISTANCE_MM, placeOn } from '../data/place.js';
import { pointInPatient } from '../data/roi.js';
import { neighbours, type SourceSlice } from '../data/series.js';
import { type Series, seriesOfKind } from '../dicom/series.js';
import type { Vector3 } from '../dicom/types.js';
import { type Skipped, SpinegradError } from '../error.js';
import type { CropPlace } from '../model/crops.js';
import type { ModelDescription } from '../model/description.js';
import { offsetTo } from '../model/sites.js';
import { seriesNamed } from '../tasks/index.js';
import type { TaskSeries } from '../tasks/task.js';
import { searchedSeries } from './targets.js';

export interface Source {
  /** The slice on which the discs were found. */
  slice: SourceSlice;
  /** Its stack. */
  slices: readonly SourceSlice[];
  /** All series of the study. */
  study: readonly Series[];
}

export interface FoundOn {
  /** The slice as it was searched: with the orientation that its pixels show and the spacing that scales its crops. */
  slice: SourceSlice;
  /** Whether its pixels have a position in the patient: that of the file, if orientation and spacing do not contradict it. */
  inPatient: boolean;
}

/** A disc on a series, and the slice of its crop. */
export interface SeriesPlace extends CropPlace {
  /** Kind of series. */
  series: string;
  file: string;
  instanceNumber: number | null;
}

export class StudySeries {
  /** Files that could not be read. */
  readonly skipped: Skipped[] = [];
  readonly #searched: TaskSeries;
  readonly #stacks = new Map<string, readonly (readonly ImageSlice[])[]>();

  /** @param count slices on each side of that of a disc */
  constructor(
    private readonly model: Pick<ModelDescription, 'input' | 'trainedOn' | 'sites' | 'localizer'>,
    private readonly source: Source,
    private readonly found: FoundOn,
    private readonly count: number,
  ) {
    this.#searched = searchedSeries(model);
  }

  /** Whether the study has a kind of series. */
  has(name: string): boolean {
    return this.#isSearched(name) || this.#stacksOf(name).length > 0;
  }

  /**
   * A disc, or a side of it, on a series.
   *
   * @param point where the disc was found
   * @returns null if the series is missing or does not show it
   */
  async place(series: string, side: Side | null, point: Point): Promise<SeriesPlace | null> {
    if (side === null && this.#isSearched(series)) return this.#onSearched(series, point);
    const offset = offsetTo(this.model.sites, series, side);
    const from = this.found.inPatient ? pointInPatient(this.source.slice, point) : null;
    if (offset === null || from === null) return null;
    const target: Vector3 = [from[0] + offset[0], from[1] + offset[1], from[2] + offset[2]];
    // Axial discs are often in several series, each of some levels.
    for (const stack of this.#stacksOf(series)) {
      const placed = await placeOn(stack, target, (slice) => this.#read(slice));
      if (placed === null) continue;
      const { entry, centre } = placed;
      const slices: SeriesPlace['slices'][number][] = [];
      for (const { slice, offset: index } of neighbours(stack, entry, this.count)) {
        const read = await this.#read(slice);
        if (read !== null) slices.push({ slice: read, offset: index });
      }
      return { slices, centre, series, file: entry.path, instanceNumber: entry.instanceNumber };
    }
    return null;
  }

  /** Why none of these series shows a disc. */
  whyNot(series: readonly string[]): string {
    return this.found.inPatient
      ? `no slice of the ${series.join(' or ')} series is within ${MAX_DISTANCE_MM} mm of it`
      : 'its place in the patient is not known: the file does not state it, or its discs contradict the file';
  }

  async #read(entry: ImageSlice): Promise<SourceSlice | null> {
    try {
      return await entry.read();
    } catch (error) {
      if (!(error instanceof SpinegradError)) throw error;
      const { code, message } = error;
      if (this.skipped.every(({ path }) => path !== entry.path))
        this.skipped.push({ path: entry.path, code, message });
      return null;
    }
  }

  /** Slices of the searched series have the orientation and the scale of the searched slice. */
  #onSearched(series: string, centre: Point): SeriesPlace {
    const { slice: stored, slices } = this.source;
    const { geometry, pixelSpacing } = this.found.slice;
    return {
      slices: neighbours(slices, stored, this.count).map(({ slice, offset }) => ({
        slice: { ...slice, geometry, pixelSpacing },
        offset,
      })),
      ...{ centre, series, file: stored.path, instanceNumber: stored.instanceNumber },
    };
  }

  /** Whether discs are found on a kind of series. If the model does not grade it, one of its weighting stands for it. */
  #isSearched(name: string): boolean {
    const { name: searched, weighting } = this.#searched;
    const { input, trainedOn } = this.model;
    if (name === searched || input.spec.series.includes(searched)) return name === searched;
    const kind = seriesNamed(name, trainedOn.tasks);
    return kind?.plane === 'sagittal' && kind.weighting === weighting;
  }

  /** The series of a kind, the best first. */
  #stacksOf(name: string): readonly (readonly ImageSlice[])[] {
    const known = this.#stacks.get(name);
    if (known !== undefined) return known;
    const kind = seriesNamed(name, this.model.trainedOn.tasks);
    const others = kind ? seriesOfKind(this.source.study, kind).map(openSeries) : [];
    const stacks = this.#isSearched(name) ? [this.source.slices.map(entryOf)] : others;
    this.#stacks.set(name, stacks);
    return stacks;
  }
}

const entryOf = (slice: SourceSlice, index: number): ImageSlice => ({
  path: slice.path,
  instanceNumber: slice.instanceNumber ?? index + 1,
  geometry: slice.geometry,
  pixelSpacing: slice.pixelSpacing,
  read: async () => slice,
});
