/**
 * Errors of the localizer, per annotated disc. Finding discs and naming their levels are measured separately: `error` is
 * the distance to the found disc of the same level, `nearest` is the found disc next to the annotated centre, whatever
 * its level.
 */
import { DISC_LEVELS, type Level, type Point } from '../anatomy.js';
import { median } from '../median.js';
import { groupBy } from './groupBy.js';
import { wilsonInterval } from './metrics.js';
import type { LocalizationError, LocalizationSample, LocalizationSummary } from './types.js';

/** A disc that the localizer found. */
export interface FoundDisc {
  level: Level;
  point: Point;
  /** Probability that a disc is at the point. */
  probability: number;
  /** Probability that the disc is of this level. */
  levelProbability: number;
}

/** A slice with annotated and found disc centres, in pixels of its image. */
export interface EvaluatedSlice {
  study: string;
  /** Kind of series, such as `Sagittal T2`. */
  series: string;
  /** Path relative to the data folder. */
  image: string;
  /** Between rows, between columns, in mm. */
  pixelSpacing: readonly [row: number, column: number];
  annotated: readonly { level: Level; centre: Point }[];
  found: readonly FoundDisc[];
  /** Reasons for which the localizer doubts the slice. */
  doubts: readonly string[];
}

/** One annotated disc and what the localizer found. Distances and probabilities are null if it found no such disc. */
export interface DiscError {
  study: string;
  series: string;
  image: string;
  level: string;
  annotated: Point;
  /** Centre of the found disc of the same level. */
  found: Point | null;
  errorPx: number | null;
  errorMm: number | null;
  /** The found disc within NEAR_MM of the annotated centre, and its distance. */
  nearestLevel: string | null;
  nearestMm: number | null;
  /** Of the found disc of the same level. */
  probability: number | null;
  levelProbability: number | null;
  /** Reasons for which the localizer doubts the slice. */
  flags: readonly string[];
}

/** A found disc at a larger distance is another disc: half of the smallest vertebral pitch, 26 mm. */
const NEAR_MM = 13;

/** A slice with a larger mean error is wrong, and should be doubtful. */
const WRONG_SLICE_MM = 5;

/** The errors of a slice, one per annotated disc. */
export function discErrors(slice: EvaluatedSlice): DiscError[] {
  const { study, series, image, pixelSpacing, doubts } = slice;
  const distance = ([x, y]: Point, [u, v]: Point, [row, column]: readonly [number, number]) =>
    Math.hypot((x - u) * column, (y - v) * row);
  return slice.annotated.map(({ level, centre }) => {
    const same = slice.found.find((disc) => disc.level === level);
    let nearest: { level: string; mm: number } | null = null;
    for (const disc of slice.found) {
      const mm = distance(disc.point, centre, pixelSpacing);
      if (mm <= NEAR_MM && mm < (nearest?.mm ?? Infinity)) nearest = { level: disc.level, mm };
    }
    return {
      ...{ study, series, image, level, annotated: centre },
      found: same?.point ?? null,
      errorPx: same ? distance(same.point, centre, [1, 1]) : null,
      errorMm: same ? distance(same.point, centre, pixelSpacing) : null,
      nearestLevel: nearest?.level ?? null,
      nearestMm: nearest?.mm ?? null,
      probability: same?.probability ?? null,
      levelProbability: same?.levelProbability ?? null,
      flags: doubts,
    };
  });
}

/** The localization figures of summary.json. */
export function summariseLocalization(errors: readonly DiscError[]): LocalizationSummary {
  const byLevel = groupBy(errors, ({ level }) => level);
  const levels = DISC_LEVELS.filter((level) => byLevel.has(level));
  const series = [...groupBy(errors, (disc) => disc.series)].sort(([a], [b]) => (a < b ? -1 : 1));
  return {
    ...summariseSample(errors),
    perLevel: Object.fromEntries(levels.map((level) => [level, summarise(byLevel.get(level)!)])),
    perSeries: Object.fromEntries(series.map(([name, discs]) => [name, summariseSample(discs)])),
  };
}

function summariseSample(errors: readonly DiscError[]): LocalizationSample {
  const patients = [...groupBy(errors, ({ study }) => study).values()];
  const named = patients
    .map((discs) => discs.filter(({ nearestLevel }) => nearestLevel !== null))
    .filter((discs) => discs.length > 0);
  const right = named.filter((discs) => discs.every(({ level, nearestLevel }) => level === nearestLevel));
  const slices = [...groupBy(errors, ({ study, image }) => `${study}\n${image}`).values()];
  const flags = { wrong: 0, wrongDoubtful: 0, right: 0, rightDoubtful: 0 };
  for (const discs of slices) {
    const kind = isWrong(discs) ? 'wrong' : 'right';
    flags[kind]++;
    if (discs[0]!.flags.length > 0) flags[`${kind}Doubtful`]++;
  }
  const nearest = errors.map(({ nearestMm }) => nearestMm);
  return {
    ...summarise(errors),
    anyLevel: { medianMm: medianDistance(nearest), within5Mm: fractionWithin(nearest, 5) },
    patientsNamed: wilsonInterval(right.length, named.length),
    slices: flags,
  };
}

/** Whether a slice's mean error is above WRONG_SLICE_MM. A slice without any found disc is wrong. */
function isWrong(discs: readonly DiscError[]): boolean {
  const found = discs.map(({ errorMm }) => errorMm).filter((mm) => mm !== null);
  return found.length === 0 || found.reduce((sum, mm) => sum + mm, 0) / found.length > WRONG_SLICE_MM;
}

function summarise(errors: readonly DiscError[]): LocalizationError {
  const millimetres = errors.map(({ errorMm }) => errorMm);
  return {
    n: errors.length,
    found: millimetres.filter((mm) => mm !== null).length,
    medianMm: medianDistance(millimetres),
    within5Mm: fractionWithin(millimetres, 5),
    within10Mm: fractionWithin(millimetres, 10),
    rmseMm: rootMeanSquare(millimetres),
    rmsePx: rootMeanSquare(errors.map(({ errorPx }) => errorPx)),
  };
}

/** Median distance; a disc that was not found is infinitely far. Null if that is the median, or without discs. */
function medianDistance(distances: readonly (number | null)[]): number | null {
  const value = median(distances.map((distance) => distance ?? Infinity));
  return value !== null && Number.isFinite(value) ? value : null;
}

/** Of all annotated discs; a disc that was not found is not within the limit. */
const fractionWithin = (distances: readonly (number | null)[], limit: number) =>
  distances.length > 0
    ? distances.filter((value) => value !== null && value <= limit).length / distances.length
    : null;

/** Over the found discs. */
function rootMeanSquare(distances: readonly (number | null)[]): number | null {
  const found = distances.filter((value) => value !== null);
  return found.length > 0
    ? Math.sqrt(found.reduce((sum, value) => sum + value * value, 0) / found.length)
    : null;
}
