/**
 * The anterior side of a slice. Headers are wrong about it often enough, and a PNG does not state it, so the pixels
 * decide: the localizer, which was trained on both orientations, sees the slice and its mirror image, and both anterior
 * points vote. Superior and inferior cannot be decided this way: the header is trusted, and without one superior is up.
 */
import { letterboxSlice } from '../data/roi.js';
import { CANONICAL_GEOMETRY, reflectSlice, type SourceSlice } from '../data/series.js';
import { canonicalOrientation } from '../dicom/geometry.js';
import type { Device } from '../engine/device.js';
import type { Model } from '../model/bundle.js';
import { type Located, locate, meanSpread } from '../model/locate.js';

type Side = 'left' | 'right' | 'top' | 'bottom';

export interface Oriented extends Located {
  /** The slice with the geometry that the pixels support. */
  slice: SourceSlice;
  /** Sides of the stored image. */
  anterior: Side;
  superior: Side;
  /** Whether the header states the same orientation; null if it states none. */
  agreesWithHeader: boolean | null;
  /** Mean of the levels' spread. */
  uncertainty: number;
}

/** The given orientation is rejected if the anterior offset exceeds this fraction of the side. */
const MARGIN = 0.015;

/** @throws SpinegradError ERR_NOT_FINITE as `locate` */
export async function orient(device: Device, model: Model, slice: SourceSlice): Promise<Oriented> {
  const given = { ...slice, geometry: slice.geometry ?? CANONICAL_GEOMETRY };
  const candidates = [given, reflectSlice(given, 'anterior')];
  const { localizer, normalisation } = model.description;
  const { sliceSize } = localizer.network;
  const located = await locate(
    device,
    model.localizer,
    candidates.map((candidate) => letterboxSlice(candidate, sliceSize)),
    sliceSize,
    normalisation.slices,
  );
  const [asGiven, swapped] = located as [Located, Located];
  const chosen = (asGiven.anteriorOffset - swapped.anteriorOffset) / 2 > MARGIN ? 1 : 0;
  const oriented = candidates[chosen]!;
  return {
    ...located[chosen]!,
    ...sidesOf(oriented),
    slice: oriented,
    agreesWithHeader: slice.geometry === null ? null : chosen === 0,
    uncertainty: meanSpread(located[chosen]!),
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
