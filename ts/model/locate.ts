/** Locates and names the discs on slices. */
import { type Affine, DISC_LEVELS, LEVELS, type Point } from '../anatomy.js';
import { applyAffine, invertAffine, scaleOf } from '../data/affine.js';
import type { Naming } from './chainDiscs.js';
import { type DecodedDisc, decode } from './decode.js';
import type { Localizer } from './localizer.js';
import { doubtsOf, isSpine, type Located, type LocatedDisc } from './located.js';
import { type LocalizerInput, mapOffset, mapsOf, pointsOf, type SliceMaps, VIEWS } from './maps.js';
import { findPeaks, type Peak } from './peaks.js';
import { MEAN_PITCH_MM, shapeOfPitch } from './spineShape.js';

/** A letterboxed slice, as `letterboxSlice` cuts it. */
export interface LetterboxedSlice {
  /** uint16 [size, size] */
  pixels: Uint16Array;
  toImage: Affine;
  /** Of the original image in mm: between rows, between columns; null if it is not known. */
  pixelSpacing: readonly [number, number] | null;
  /** Of the original image in pixels. */
  imageSize: readonly [width: number, height: number];
}

/** A view has seen a disc if it has a peak within this fraction of the pitch. */
const VIEW_RADIUS = 0.35;

/**
 * Locates the discs of letterboxed slices in the canonical view.
 *
 * @param views number of augmented views whose maps are averaged; 1: the slice itself, without a spread
 * @throws SpinegradError ERR_NOT_FINITE if an output of the network is NaN or infinite
 *
 * @example
 * const [located] = await locate(localizer, [letterboxed], { device, size: 192, normalisation });
 * located.discs.filter(({ levelProbability }) => levelProbability > 0.9);
 */
export async function locate(
  localizer: Localizer,
  slices: readonly LetterboxedSlice[],
  input: LocalizerInput,
  views = VIEWS,
): Promise<Located[]> {
  const pixels = slices.map((slice) => slice.pixels);
  if (localizer.kind === 'regression') {
    const points = await pointsOf(localizer, pixels, input);
    return slices.map(({ toImage }, index) => locateOnPoints(points[index]!, toImage));
  }
  const maps = await mapsOf(localizer, pixels, input, views);
  return slices.map((slice, index) => locateOnMaps(maps[index]!, input.size, slice));
}

/** The result of the coordinate regression, which cannot state how certain it is. */
function locateOnPoints(points: readonly Point[], toImage: Affine): Located {
  const discs = LEVELS.map(
    (level, index): LocatedDisc => ({
      ...{ level, point: applyAffine(toImage, points[index]!) },
      ...{ probability: 1, levelProbability: 1, spreadMm: 0, interpolated: false },
    }),
  );
  const [first, last] = [discs[0]!.point, discs.at(-1)!.point];
  return {
    discs,
    places: [],
    pitchPx: Math.hypot(first[0] - last[0], first[1] - last[1]) / (discs.length - 1),
    pitchMm: MEAN_PITCH_MM,
    ...{ evidence: 0, anteriorLeft: 0, doubts: ['no_certainty'], doubtful: true, lumbar: true },
  };
}

/**
 * Locates the discs on the maps of a slice.
 *
 * @param naming of `places`; default: by the slice alone
 */
export function locateOnMaps(
  maps: SliceMaps,
  size: number,
  { toImage, pixelSpacing, imageSize: [width, height] }: Omit<LetterboxedSlice, 'pixels'>,
  naming: Naming | null = null,
): Located {
  const stride = size / maps.width;
  const pixelsPerMapPixel = stride * scaleOf(toImage);
  const mmPerPixel =
    pixelSpacing === null ? null : pixelsPerMapPixel * Math.sqrt(pixelSpacing[0] * pixelSpacing[1]);
  const toCrop = invertAffine(toImage);
  const rows = [applyAffine(toCrop, [0, 0]), applyAffine(toCrop, [width - 1, height - 1])].map(
    ([, y]) => (y - mapOffset(stride)) / stride,
  );
  const bounds = { top: Math.min(...rows), bottom: Math.max(...rows) };
  const toSlice = (value: number) => value * stride + mapOffset(stride);
  const imagePoint = ([x, y]: Point) => applyAffine(toImage, [toSlice(x), toSlice(y)]);
  const { discs, pitch, evidence, ...found } = decode(
    maps,
    mmPerPixel,
    bounds,
    shapeOfPitch(maps.pitchMm),
    naming,
  );
  const mm = mmPerPixel ?? maps.pitchMm / pitch;
  const peaks = maps.views.map((values) =>
    findPeaks({ width: maps.width, height: maps.height, values }, 0.1, 48),
  );
  const located = discs
    .map((disc): LocatedDisc => {
      const { level, point, probability, levelProbability, interpolated } = disc;
      return {
        ...{ level, probability, levelProbability, interpolated },
        point: imagePoint(point),
        spreadMm: mm * spreadOf(point, peaks, VIEW_RADIUS * pitch),
      };
    })
    .sort((p, q) => DISC_LEVELS.indexOf(p.level) - DISC_LEVELS.indexOf(q.level));
  // The discs of the chain begin with the lowest one.
  const room = discs.length > 0 ? (bounds.bottom - discs[0]!.point[1]) / pitch : Number.POSITIVE_INFINITY;
  const doubts = doubtsOf(located, room);
  return {
    discs: located,
    places: found.peaks.map(({ x, y }, index) => ({
      ...{ point: imagePoint([x, y]), levels: found.peakLevels[index]! },
    })),
    pitchPx: pitch * pixelsPerMapPixel,
    pitchMm: maps.pitchMm,
    evidence,
    anteriorLeft: anteriorLeft(maps, discs, pitch),
    doubts,
    doubtful: doubts.length > 0,
    lumbar: isSpine(located, evidence),
  };
}

/** Root mean square distance of the views' nearest peaks, in pixels of the map; a view without one counts as `radius`. */
function spreadOf([x, y]: Point, views: readonly (readonly Peak[])[], radius: number): number {
  const squares = views.map((peaks) =>
    Math.min(radius ** 2, ...peaks.map((peak) => (peak.x - x) ** 2 + (peak.y - y) ** 2)),
  );
  return Math.sqrt(squares.reduce((sum, square) => sum + square, 0) / squares.length);
}

/**
 * Log odds that the anterior edges are on the left of the chain: the map of anterior edges half a pitch to the left and to
 * the right of each disc.
 */
function anteriorLeft(
  { width, height, anterior }: SliceMaps,
  discs: readonly DecodedDisc[],
  pitch: number,
): number {
  const logOdds = (x: number, y: number) => {
    const [u, v] = [Math.round(x), Math.round(y)];
    const inside = u >= 0 && v >= 0 && u < width && v < height;
    const value = 0.01 + 0.98 * (inside ? anterior[v * width + u]! : 0);
    return Math.log(value / (1 - value));
  };
  return discs.reduce((sum, { point: [x, y] }, index) => {
    const [below, above] = [
      discs[Math.max(0, index - 1)]!.point,
      discs[Math.min(discs.length - 1, index + 1)]!.point,
    ];
    const [dx, dy] = [above[0] - below[0], above[1] - below[1]];
    const half = pitch / 2 / (Math.hypot(dx, dy) || 1);
    return sum + logOdds(x + dy * half, y - dx * half) - logOdds(x - dy * half, y + dx * half);
  }, 0);
}
