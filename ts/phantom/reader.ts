/**
 * Grades as a reader gives them: from what the annotated slice shows, never from the latent that narrowed the
 * canal. The canal is sampled without noise, through the slice's thickness, with the same function that paints it;
 * what is measured there is how much CSF is left compared with the canal above and below, and how deep the sac is. A
 * reader's grade adds a reader's error.
 */
import { LEVELS } from '../anatomy.js';
import { RandomStream } from '../random.js';
import type { CanalPoint } from './canal.js';
import { type PhantomStudy, PURPOSE, THROUGH_PLANE, xInSlice } from './study.js';

export interface LevelReading {
  /** 0-based number of the annotated slice. */
  readonly slice: number;
  /** Depth of the sac at its narrowest near the disc, mm. */
  readonly sacDepth: number;
  /** Millimetres of CSF along the canal's depth at the level, and beside it at the bodies. */
  readonly csf: number;
  readonly csfBeside: number;
  /** What a reader goes by: 0 wide open, 1 no CSF in sight. */
  readonly narrowing: number;
  /** Grade of a reader without error, and of the study's reader. */
  readonly grade: number;
  readonly readGrade: number;
  /** Annotated point: patient y and z, mm. */
  readonly point: readonly [y: number, z: number];
}

/** Narrowing at which each grade of the task after the first begins: the phantom's physical scale. */
export const THRESHOLDS = [0.5, 0.78] as const;

/** Deviation of a reader's error, in units of narrowing. */
const READER_ERROR = 0.12;

const T_STEP = 0.5;

/** Reads the five levels of a study. */
export function readStudy(study: PhantomStudy): LevelReading[] {
  const random = new RandomStream(study.seed, study.index, PURPOSE.reader);
  const { levelPosition, wall } = study.spine;
  const main = canalSlice(study, wall.point((levelPosition[0]! + levelPosition[4]!) / 2, 6));
  return LEVELS.map((_, level) => {
    const s = levelPosition[level]!;
    const slice = nearestSlice(study, wall.point(s, 6), main);
    const csf = csfDepth(study, slice, s - 2, s + 3);
    const pitch = level < 4 ? levelPosition[level + 1]! - s : s - levelPosition[level - 1]!;
    const above = csfDepth(study, slice, s - pitch * 0.6, s - pitch * 0.4);
    const below = level < 4 ? csfDepth(study, slice, s + pitch * 0.4, s + pitch * 0.6) : above;
    const csfBeside = (above + below) / 2;
    const sacDepth = narrowest(study, s);
    const [front, back] = study.canal.sac(s);
    const lost = 1 - csf / Math.max(1, csfBeside);
    const small = (12 - sacDepth) / 8;
    const narrowing = Math.max(0, Math.min(1, 0.6 * Math.max(0, lost) + 0.4 * Math.max(0, small)));
    const along = random.bounded(0, 0.9);
    const into = front + (back - front) * 0.45 + random.bounded(0, 0.5);
    return {
      slice,
      sacDepth,
      csf,
      csfBeside,
      narrowing,
      grade: gradeOf(narrowing),
      readGrade: gradeOf(narrowing + random.normal(0, READER_ERROR)),
      point: wall.point(s + along, into),
    };
  });
}

const gradeOf = (narrowing: number): number =>
  THRESHOLDS.filter((threshold) => narrowing >= threshold).length;

/** The slice nearest to the midline at a point. */
function canalSlice(study: PhantomStudy, [y, z]: readonly [number, number]): number {
  const distances = study.acquisition.slicePositions.map((_, slice) => offMidline(study, slice, y, z));
  return distances.indexOf(Math.min(...distances));
}

/** The study's canal slice, unless the spine has bent so far that another shows this level clearly better. */
function nearestSlice(study: PhantomStudy, point: readonly [number, number], main: number): number {
  const offMain = offMidline(study, main, ...point);
  return offMain < 0.75 * study.acquisition.sliceSpacing ? main : canalSlice(study, point);
}

function offMidline(study: PhantomStudy, slice: number, y: number, z: number): number {
  return Math.abs(xInSlice(study.acquisition, slice, y) - study.spine.midline(z));
}

function narrowest(study: PhantomStudy, position: number): number {
  let depth = Number.POSITIVE_INFINITY;
  for (let s = position - 3; s <= position + 3; s += 0.5) {
    const [front, back] = study.canal.sac(s);
    depth = Math.min(depth, back - front);
  }
  return depth;
}

/** Mean depth of CSF (mm) that a slice shows between two positions along the canal. */
function csfDepth(study: PhantomStudy, slice: number, from: number, to: number): number {
  const { spine, canal, signals, acquisition } = study;
  const point: CanalPoint = { inside: false, signal: 0, csf: 0 };
  let sum = 0;
  let columns = 0;
  for (let s = from; s <= to; s += 0.5) {
    for (const part of THROUGH_PLANE) {
      columns++;
      for (let t = 0; t < 26; t += T_STEP) {
        const [y, z] = spine.wall.point(s, t);
        const x = xInSlice(acquisition, slice, y) + part * acquisition.sliceThickness;
        canal.look(s, t, x - spine.midline(z), signals, point);
        sum += point.csf * T_STEP;
      }
    }
  }
  return sum / columns;
}
