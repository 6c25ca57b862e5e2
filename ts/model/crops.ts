/** Cuts the crops of discs, one per slot of the grader's input. */
import type { Point } from '../anatomy.js';
import { clampToImage, cropRoi } from '../data/roi.js';
import type { SourceSlice } from '../data/series.js';
import type { RoiSpec } from '../data/types.js';
import type { Slots } from './fusion/input.js';
import type { FusionSpec } from './fusion/spec.js';
import type { CropSet } from './grade.js';

/** A disc on the slices of a series. */
export interface CropPlace {
  /** With their offsets from the slice of the disc. */
  slices: readonly { slice: SourceSlice; offset: number }[];
  /** In pixels of the slices; one outside of them is moved to their edge. */
  centre: Point;
}

export class CropCutter {
  /** Slices on each side of the slice of a disc. */
  readonly neighbours: number;
  readonly #pixels: Uint16Array[] = [];
  readonly #discs: Slots[] = [];

  constructor(
    private readonly roi: Pick<RoiSpec, 'size' | 'mode' | 'extentMm'>,
    private readonly spec: Pick<FusionSpec, 'slices'>,
  ) {
    this.neighbours = (spec.slices - 1) / 2;
  }

  /**
   * Cuts a disc.
   *
   * @param places per series of the input, without fusion one; null if the study does not show the disc
   * @returns the slots of the disc: rows of the crops, or null
   */
  add(places: readonly (CropPlace | null)[]): Slots {
    const slots = new Array<number | null>(places.length * this.spec.slices).fill(null);
    places.forEach((place, series) => {
      for (const { slice, offset } of place?.slices ?? []) {
        if (Math.abs(offset) > this.neighbours) continue;
        slots[series * this.spec.slices + this.neighbours + offset] = this.#cut(slice, place!.centre);
      }
    });
    this.#discs.push(slots);
    return slots;
  }

  /** The crops of all discs. */
  finish(): CropSet {
    const { size } = this.roi;
    const pixels = new Uint16Array(this.#pixels.length * size * size);
    this.#pixels.forEach((crop, index) => {
      pixels.set(crop, index * size * size);
    });
    return { pixels, size, discs: this.#discs };
  }

  #cut(slice: SourceSlice, point: Point): number {
    const centre = clampToImage(point, [slice.columns, slice.rows]);
    return this.#pixels.push(cropRoi(slice, centre, this.roi).pixels) - 1;
  }
}
