/**
 * The orientation of a slice. Headers are wrong about it often enough, and a PNG does not state it, so the pixels decide.
 * The localizer sees the slice upright and upside down. On the maps of each, anterior may be left or right. Of the four
 * orientations, the one in which the chain of discs and the anterior edges are most likely is taken. The coordinate
 * regression has no maps; with it the given orientation is used.
 */
import { type Crop, letterboxSlice } from '../data/roi.js';
import { CANONICAL_GEOMETRY, reflectSlice, type SourceSlice } from '../data/series.js';
import { canonicalOrientation } from '../dicom/geometry.js';
import type { Device } from '../engine/device.js';
import type { Model } from '../model/bundle.js';
import { locate, locateOnMaps } from '../model/locate.js';
import type { Located } from '../model/located.js';
import { mapsOf, mirrorMaps, type SliceMaps } from '../model/maps.js';

type Side = 'left' | 'right' | 'top' | 'bottom';

export interface Oriented {
  /** The slice with the geometry that the pixels support. */
  slice: SourceSlice;
  /** The slice as the localizer sees it in the canonical view. */
  crop: Crop;
  /** The maps of `crop`; null with the coordinate regression. */
  maps: SliceMaps | null;
  located: Located;
  /** Sides of the stored image. */
  anterior: Side;
  superior: Side;
  /** Whether the header states the same orientation; null if it states none. */
  agreesWithHeader: boolean | null;
  /** Log odds of the orientation against the next best one. */
  certainty: number;
}

/**
 * Log odds of the given orientation before the pixels are seen. Headers exchange anterior and posterior often enough, but
 * hardly ever superior and inferior.
 */
const PRIOR = { anterior: 2, superior: 2, superiorInHeader: 10 };

/**
 * Locates the discs of a slice in its most likely orientation.
 *
 * @throws SpinegradError ERR_NOT_FINITE as `locate`
 */
export async function orient(device: Device, model: Model, slice: SourceSlice): Promise<Oriented> {
  const { localizer, description } = model;
  const size = description.localizer.network.sliceSize;
  const given = { ...slice, geometry: slice.geometry ?? CANONICAL_GEOMETRY };
  const input = { device, size, normalisation: description.normalisation };
  const scale = { pixelSpacing: slice.pixelSpacing, imageSize: [slice.columns, slice.rows] } as const;
  const agreesWithHeader = slice.geometry === null ? null : true;
  if (localizer.kind === 'regression') {
    const crop = letterboxSlice(given, size);
    const [located] = await locate(localizer, [{ ...crop, ...scale }], input);
    return {
      ...sidesOf(given),
      slice: given,
      crop,
      maps: null,
      located: located!,
      agreesWithHeader,
      certainty: Infinity,
    };
  }
  const upright = [given, reflectSlice(given, 'superior')];
  const maps = await mapsOf(
    localizer,
    upright.map((view) => letterboxSlice(view, size).pixels),
    input,
  );
  const candidates = upright.flatMap((view, index) =>
    [
      { slice: view, maps: maps[index]!, isMirrored: false },
      { slice: reflectSlice(view, 'anterior'), maps: mirrorMaps(maps[index]!), isMirrored: true },
    ].map((candidate) => {
      const crop = letterboxSlice(candidate.slice, size);
      const located = locateOnMaps(candidate.maps, size, { ...crop, ...scale });
      return { ...candidate, crop, located, isUpright: index === 0 };
    }),
  );
  const superior = slice.geometry === null ? PRIOR.superior : PRIOR.superiorInHeader;
  const scores = candidates.map(({ located, isUpright, isMirrored }) => {
    const prior = (isUpright ? superior : 0) + (isMirrored ? 0 : PRIOR.anterior);
    return located.evidence + located.anteriorLeft + prior;
  });
  const best = scores.indexOf(Math.max(...scores));
  const chosen = candidates[best]!;
  return {
    slice: chosen.slice,
    crop: chosen.crop,
    maps: chosen.maps,
    located: chosen.located,
    ...sidesOf(chosen.slice),
    agreesWithHeader: agreesWithHeader && best === 0,
    certainty: scores[best]! - Math.max(...scores.filter((_, index) => index !== best)),
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
