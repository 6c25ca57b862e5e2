/**
 * Simulates the radiologist who grades and annotates a study. Grades follow from the annotated slice, not from the
 * latent occlusion that narrowed the canal. The slice is sampled without noise, through its thickness, with the
 * function that paints it. The narrowing combines the loss of CSF relative to the canal above and below with the depth
 * of the sac. The reported grade adds the error of one of several readers.
 */
import { LEVELS } from '../anatomy.js';
import { RandomStream } from '../random.js';
import type { CanalPoint } from './canal.js';
import { gradeOf, readerOf, reportedGrade } from './readerError.js';
import { type PhantomStudy, PURPOSE, THROUGH_PLANE, xInSlice } from './study.js';

export interface LevelReading {
  /** Index of the annotated slice, from 0. */
  readonly slice: number;
  /** Minimum depth of the sac near the disc, mm. */
  readonly sacDepth: number;
  /** Visible narrowing: 0 (none) to 1 (no CSF). */
  readonly narrowing: number;
  /** Grade without reader error. */
  readonly grade: number;
  /** Grade with reader error, as in the labels. */
  readonly reportedGrade: number;
  /** Annotated point: patient y and z, mm. */
  readonly point: readonly [y: number, z: number];
}

const T_STEP = 0.5;

/** Grades and annotates the five levels of a study. */
export function readStudy(study: PhantomStudy): LevelReading[] {
  const random = new RandomStream(study.seed, study.index, PURPOSE.reader);
  const reader = readerOf(study);
  const { levelPosition, wall } = study.spine;
  const mainSlice = nearestSlice(study, wall.point((levelPosition[0]! + levelPosition[4]!) / 2, 6));
  return LEVELS.map((_, level) => {
    const s = levelPosition[level]!;
    const slice = sliceOfLevel(study, wall.point(s, 6), mainSlice);
    const csf = csfDepth(study, slice, s - 2, s + 3);
    const pitch = level < 4 ? levelPosition[level + 1]! - s : s - levelPosition[level - 1]!;
    const above = csfDepth(study, slice, s - pitch * 0.6, s - pitch * 0.4);
    const below = level < 4 ? csfDepth(study, slice, s + pitch * 0.4, s + pitch * 0.6) : above;
    const reference = (above + below) / 2;
    const sacDepth = minimumSacDepth(study, s);
    const [anterior, posterior] = study.canal.sac(s);
    const csfLoss = 1 - csf / Math.max(1, reference);
    const shallowness = (12 - sacDepth) / 8;
    const narrowing = Math.max(0, Math.min(1, 0.6 * Math.max(0, csfLoss) + 0.4 * Math.max(0, shallowness)));
    const sError = random.bounded(0, 0.9);
    const t = anterior + (posterior - anterior) * 0.45 + random.bounded(0, 0.5);
    return {
      slice,
      sacDepth,
      narrowing,
      grade: gradeOf(narrowing),
      reportedGrade: reportedGrade(reader, narrowing, random),
      point: wall.point(s + sError, t),
    };
  });
}

/** The slice nearest to the midline at a point. */
function nearestSlice(study: PhantomStudy, [y, z]: readonly [number, number]): number {
  const distances = study.acquisition.slicePositions.map((_, slice) => offMidline(study, slice, y, z));
  return distances.indexOf(Math.min(...distances));
}

/** `mainSlice`, unless it is 0.75 slice spacings or more from the midline at this level. */
function sliceOfLevel(study: PhantomStudy, point: readonly [number, number], mainSlice: number): number {
  const offset = offMidline(study, mainSlice, ...point);
  return offset < 0.75 * study.acquisition.sliceSpacing ? mainSlice : nearestSlice(study, point);
}

/** Distance of a slice from the midline at (y, z), mm. */
function offMidline(study: PhantomStudy, slice: number, y: number, z: number): number {
  return Math.abs(xInSlice(study.acquisition, slice, y) - study.spine.midline(z));
}

function minimumSacDepth(study: PhantomStudy, position: number): number {
  let depth = Number.POSITIVE_INFINITY;
  for (let s = position - 3; s <= position + 3; s += 0.5) {
    const [anterior, posterior] = study.canal.sac(s);
    depth = Math.min(depth, posterior - anterior);
  }
  return depth;
}

/** Mean anteroposterior depth of CSF (mm) in a slice, between two positions along the canal. */
function csfDepth(study: PhantomStudy, slice: number, from: number, to: number): number {
  const { spine, canal, signals, acquisition } = study;
  const point: CanalPoint = { inside: false, signal: 0, csf: 0 };
  let sum = 0;
  let columns = 0;
  for (let s = from; s <= to; s += 0.5) {
    for (const fraction of THROUGH_PLANE) {
      columns++;
      for (let t = 0; t < 26; t += T_STEP) {
        const [y, z] = spine.wall.point(s, t);
        const x = xInSlice(acquisition, slice, y) + fraction * acquisition.sliceThickness;
        canal.sample(s, t, x - spine.midline(z), signals, point);
        sum += point.csf * T_STEP;
      }
    }
  }
  return sum / columns;
}
