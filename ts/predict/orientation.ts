/**
 * Which side of a slice is the front. Headers are wrong about it often enough (and a PNG says nothing) that the pixels
 * decide: the localizer, which knows spines both ways round, looks at the slice and at its mirror image and says each
 * time where the front lies. Head and feet cannot be told apart so: the header is believed, and without one superior
 * is taken to be up.
 */
import { letterboxSlice } from '../data/roi.js';
import { type SourceSlice, swapFrontAndBack } from '../data/series.js';
import { canonicalOrientation } from '../dicom/geometry.js';
import type { Geometry } from '../dicom/types.js';
import type { Device } from '../engine/device.js';
import type { Model } from '../model/bundle.js';
import { type Located, locate, meanSpread } from '../model/locate.js';

type Side = 'left' | 'right' | 'top' | 'bottom';

export interface Oriented extends Located {
  /** With the geometry that was found to be right. */
  slice: SourceSlice;
  /** Sides of the image as it is stored. */
  anterior: Side;
  superior: Side;
  /** Whether this is what the header says, or null where it says nothing. */
  agreesWithHeader: boolean | null;
  /** Mean of the levels' spread. */
  doubt: number;
}

/** How far on the wrong side the front must be seen, as a share of the side, to speak against the given orientation. */
const MARGIN = 0.015;

const CANONICAL: Geometry = { rowDirection: [0, 1, 0], columnDirection: [0, 0, -1], position: [0, 0, 0] };

export async function orient(device: Device, model: Model, slice: SourceSlice): Promise<Oriented> {
  const given = { ...slice, geometry: slice.geometry ?? CANONICAL };
  const candidates = [given, swapFrontAndBack(given)];
  const { sliceSize, normalisation } = model.description;
  const located = await locate(
    device,
    model.localizer,
    candidates.map((candidate) => letterboxSlice(candidate, sliceSize)),
    sliceSize,
    normalisation.slices,
  );
  const [asGiven, swapped] = located as [Located, Located];
  const chosen = (asGiven.front - swapped.front) / 2 > MARGIN ? 1 : 0;
  const oriented = candidates[chosen]!;
  return {
    ...located[chosen]!,
    ...sidesOf(oriented),
    slice: oriented,
    agreesWithHeader: slice.geometry === null ? null : chosen === 0,
    doubt: meanSpread(located[chosen]!),
  };
}

function sidesOf({ geometry, columns, rows }: SourceSlice): { anterior: Side; superior: Side } {
  const [a, b, , d, e] = canonicalOrientation(geometry!, columns, rows).toImage;
  const side = (x: number, y: number): Side => {
    if (x !== 0) return x < 0 ? 'left' : 'right';
    return y < 0 ? 'top' : 'bottom';
  };
  return { anterior: side(-a, -d), superior: side(-b, -e) };
}
