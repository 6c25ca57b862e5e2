/**
 * Targets of the localizer from annotated discs. A map is the maximum of one Gaussian for each of its points. Unknown
 * regions have weight 0: on a slice that is not annotated completely, the spine above the topmost and below the lowest
 * annotated disc, and the gap of a missing level between two annotated ones.
 */
import { type Affine, DISC_LEVELS, type Level, type Point } from '../anatomy.js';
import { applyAffine } from '../data/affine.js';
import type { SliceRecord } from '../data/types.js';
import { MAPS } from '../model/localizer.js';
import { rowScale } from './pitch.js';

/** The annotation of a slice in pixels of its bank row. */
export type AnnotatedSlice = Pick<SliceRecord, 'discs' | 'complete' | 'toImage' | 'pixelSpacing'>;

/** Gaussians are drawn up to this many deviations, where they fall below 2e-4. */
const REACH = 4.2;

/** Deviation of the Gaussians of each map relative to `sigma`. The anterior points lie on a soft edge. */
export const DEVIATIONS: Record<(typeof MAPS)[number], number> = { disc: 1, sacral: 1, anterior: 1.5 };

/** What the maps of one slice show, in pixels of the slice or of a view. */
export interface Landmarks {
  /** Centres from cranial to caudal, with their index in DISC_LEVELS. */
  discs: { index: number; centre: Point }[];
  /** One per disc. */
  anterior: Point[];
  /** Points of the levels that lie between annotated ones and are not annotated themselves. */
  gaps: Point[];
  /** A point half a pitch above the topmost disc, and one half a pitch below the lowest. */
  ends: { cranial: Point; caudal: Point };
  /** Radius of the region of a gap. */
  radius: number;
  complete: boolean;
}

/**
 * The landmarks of an annotated slice; anterior is left in a bank row.
 *
 * @param pitchMm distance of neighbouring discs on a slice with one disc
 */
export function landmarksOf(slice: AnnotatedSlice, pitchMm: number): Landmarks {
  const discs = slice.discs
    .map(({ level, centre }) => ({ index: DISC_LEVELS.indexOf(level), centre }))
    .sort((a, b) => a.index - b.index);
  const steps = discs.slice(1).map((disc, i) => {
    const above = discs[i]!;
    return scaled(between(above.centre, disc.centre), 1 / (disc.index - above.index));
  });
  if (steps.length === 0) steps.push([0, pitchMm / rowScale(slice)]);
  const lengths = steps.map(([x, y]) => Math.hypot(x, y)).sort((p, q) => p - q);
  const pitch = lengths[lengths.length >> 1]!;
  /** The caudal direction at a disc, of length 1. */
  const caudal = (i: number): Point => {
    const above = steps[Math.max(i - 1, 0)]!;
    const below = steps[Math.min(i, steps.length - 1)]!;
    const sum: Point = [above[0] + below[0], above[1] + below[1]];
    return scaled(sum, 1 / Math.hypot(...sum));
  };
  const gaps = discs.slice(1).flatMap((disc, i) => {
    const above = discs[i]!;
    const count = disc.index - above.index - 1;
    return Array.from({ length: count }, (_, k) => moved(above.centre, steps[i]!, k + 1));
  });
  const last = discs.length - 1;
  return {
    discs,
    anterior: discs.map(({ centre }, i) => {
      const [x, y] = caudal(i);
      return moved(centre, [-y, x], pitch / 2);
    }),
    gaps,
    ends: {
      cranial: moved(discs[0]!.centre, caudal(0), -pitch / 2),
      caudal: moved(discs[last]!.centre, caudal(last), pitch / 2),
    },
    radius: 0.6 * pitch,
    complete: slice.complete,
  };
}

const between = (from: Point, to: Point): Point => [to[0] - from[0], to[1] - from[1]];
const scaled = ([x, y]: Point, factor: number): Point => [x * factor, y * factor];
const moved = ([x, y]: Point, [dx, dy]: Point, factor: number): Point => [x + factor * dx, y + factor * dy];

/** Heatmaps of one view and their weights, row-major [map, size, size]. */
export interface TargetMaps {
  targets: Float32Array;
  weights: Float32Array;
}

export interface TargetOptions {
  /** Side of the maps in pixels. */
  size: number;
  /** Standard deviation of the Gaussians in pixels of the map. */
  sigma: number;
  /** Weight of the pixel at the centre of a Gaussian; that of the background is 1. */
  centreWeight: number;
  /** Factor of all weights of the map `sacral`. */
  sacralWeight: number;
}

const SACRAL = DISC_LEVELS.length - 1;

/** The points that each map shows. */
export function pointsOf({ discs, anterior }: Landmarks): Record<(typeof MAPS)[number], Point[]> {
  const centres = (chosen: Landmarks['discs']) => chosen.map(({ centre }) => centre);
  return { disc: centres(discs), sacral: centres(discs.filter(({ index }) => index === SACRAL)), anterior };
}

/** Draws the maps of a view. */
export function drawTargets(
  landmarks: Landmarks,
  toMap: Affine,
  { size, sigma, centreWeight, sacralWeight }: TargetOptions,
  { targets, weights }: TargetMaps,
): void {
  const pixels = size * size;
  const points = pointsOf(landmarks);
  MAPS.forEach((map, index) => {
    const target = targets.subarray(index * pixels, (index + 1) * pixels);
    for (const point of points[map])
      drawGaussian(target, size, applyAffine(toMap, point), sigma * DEVIATIONS[map]);
    const factor = map === 'sacral' ? sacralWeight : 1;
    const weight = weights.subarray(index * pixels, (index + 1) * pixels);
    for (let i = 0; i < pixels; i++) weight[i] = factor * (1 + (centreWeight - 1) * target[i]!);
  });
  ignoreUnknown(landmarks, toMap, size, weights);
}

function drawGaussian(target: Float32Array, size: number, [x, y]: Point, deviation: number): void {
  const reach = REACH * deviation;
  const [left, right] = [Math.max(0, Math.ceil(x - reach)), Math.min(size - 1, Math.floor(x + reach))];
  const [top, bottom] = [Math.max(0, Math.ceil(y - reach)), Math.min(size - 1, Math.floor(y + reach))];
  const factor = -0.5 / deviation ** 2;
  for (let v = top; v <= bottom; v++) {
    for (let u = left; u <= right; u++) {
      const value = Math.exp(factor * ((u - x) ** 2 + (v - y) ** 2));
      const at = v * size + u;
      if (value > target[at]!) target[at] = value;
    }
  }
}

/** Sets the weight of the unknown regions to 0 in every map. */
function ignoreUnknown(landmarks: Landmarks, toMap: Affine, size: number, weights: Float32Array): void {
  const { complete, discs, ends, gaps, radius } = landmarks;
  if (complete) return;
  const apply = (point: Point) => applyAffine(toMap, point);
  const scale = Math.sqrt(Math.abs(toMap[0] * toMap[4] - toMap[1] * toMap[3]));
  const beyond = [halfPlane(apply(discs[0]!.centre), apply(ends.cranial))];
  // Below L5/S1 there is no disc to miss.
  if (discs.at(-1)!.index !== SACRAL) beyond.push(halfPlane(apply(discs.at(-1)!.centre), apply(ends.caudal)));
  const holes = gaps.map(apply);
  const within = (scale * radius) ** 2;
  for (let v = 0; v < size; v++) {
    for (let u = 0; u < size; u++) {
      const unknown =
        beyond.some((isBeyond) => isBeyond(u, v)) ||
        holes.some(([x, y]) => (u - x) ** 2 + (v - y) ** 2 < within);
      if (!unknown) continue;
      for (let map = 0; map < MAPS.length; map++) weights[(map * size + v) * size + u] = 0;
    }
  }
}

/** Whether a pixel lies beyond `limit`, seen from `disc`. */
function halfPlane(disc: Point, limit: Point): (u: number, v: number) => boolean {
  const [dx, dy] = between(disc, limit);
  const bound = dx * limit[0] + dy * limit[1];
  return (u, v) => dx * u + dy * v > bound;
}

/** Points of some levels in a view, for coordinate regression: (x, y) and its weight, which is 0 outside the view. */
export function coordinateTargets(
  { discs }: Pick<AnnotatedSlice, 'discs'>,
  levels: readonly Level[],
  toView: Affine,
  size: number,
): { points: number[]; weights: number[] } {
  const located = levels.map((level) => {
    const disc = discs.find((candidate) => candidate.level === level);
    const point = disc && applyAffine(toView, disc.centre);
    return point && Math.min(...point) >= 0 && Math.max(...point) <= size - 1 ? point : undefined;
  });
  return {
    points: located.flatMap((point) => [...(point ?? [0, 0])]),
    weights: located.flatMap((point) => (point ? [1, 1] : [0, 0])),
  };
}
