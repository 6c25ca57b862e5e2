/**
 * Which side of a slice is the front. Headers are wrong about it often enough (and a PNG says nothing) that the pixels
 * decide: the localizer looks at the slice both ways, and the way on which its views agree better is taken. Head and
 * feet cannot be told apart so: the header is believed, and without one superior is taken to be up.
 */
import { letterboxSlice } from '../data/roi.js';
import { type SourceSlice, swapFrontAndBack } from '../data/series.js';
import { canonicalOrientation } from '../dicom/geometry.js';
import type { Geometry } from '../dicom/types.js';
import type { Device } from '../engine/device.js';
import { type Located, locate, meanSpread } from '../training/locate.js';
import type { Model } from '../training/model.js';

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

/** How much less doubt the other orientation must leave than the one that is given. */
const MARGIN = 0.7;

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
  const doubts = located.map(meanSpread);
  const chosen = doubts[1]! < MARGIN * doubts[0]! ? 1 : 0;
  const oriented = candidates[chosen]!;
  return {
    ...located[chosen]!,
    ...sidesOf(oriented),
    slice: oriented,
    agreesWithHeader: slice.geometry === null ? null : chosen === 0,
    doubt: doubts[chosen]!,
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
