/**
 * Simulates the radiologist who grades and annotates the foramina on the sagittal T1 series and the lateral recesses on
 * the axial T2 series. As in `reader.ts`, a grade follows from what the annotated slice shows: the bright area that is
 * left, fat in a foramen, fat or CSF in a recess.
 */
import { LEVELS, SIDES, type Side } from '../anatomy.js';
import { RandomStream } from '../random.js';
import { type AxialStudy, pointAt } from './axial.js';
import type { CanalPoint } from './canal.js';
import { FORAMEN_ABOVE, FORAMEN_DEPTH, FORAMEN_SIDE, RECESS_DEPTH, RECESS_SIDE } from './lateral.js';
import { gradeOf, type Reader, readerOf, reportedGrade } from './readerError.js';
import { type PhantomStudy, PURPOSE, THROUGH_PLANE, xInSlice } from './study.js';
import { canalSample, foramenSample } from './zones.js';

export interface LateralReading {
  readonly side: Side;
  /** Index into LEVELS. */
  readonly level: number;
  /** Index of the annotated slice, from 0. */
  readonly slice: number;
  /** Visible narrowing: 0 (none) to 1 (no fat or CSF left). */
  readonly narrowing: number;
  /** Grade without and with reader error. */
  readonly grade: number;
  readonly reportedGrade: number;
  /** Annotated point in the patient, mm. */
  readonly x: number;
  readonly point: readonly [y: number, z: number];
}

/** Fraction of the recess that is bright without narrowing; the rest is root and dura. */
const RECESS_OPEN = 0.7;

const STEP = 0.5;

/** Grades and annotates the foramina of a study on its sagittal T1 series: for each side, five levels. */
export function readForamina(study: PhantomStudy): LateralReading[] {
  const random = new RandomStream(study.seed, study.index, PURPOSE.reader, 1);
  const reader = readerOf(study);
  const { spine, acquisition } = study;
  return sidesAndLevels((side, level) => {
    const s = spine.levelPosition[level]! - FORAMEN_ABOVE;
    const sign = side === 'left' ? 1 : -1;
    const [y, z] = spine.wall.point(s, FORAMEN_DEPTH / 2);
    const lateral = (slice: number) => xInSlice(acquisition, slice, y) - spine.midline(z);
    const distances = acquisition.slicePositions.map((_, slice) =>
      Math.abs(lateral(slice) - sign * FORAMEN_SIDE),
    );
    const slice = distances.indexOf(Math.min(...distances));
    const open = foramenFat(study, slice, s) / foramenFat({ ...study, lateral: null }, slice, s);
    const error = [random.bounded(0, 1), random.bounded(0, 0.8)] as const;
    return {
      side,
      level,
      slice,
      ...graded(1 - open, reader, random),
      x: xInSlice(acquisition, slice, y),
      point: spine.wall.point(s + error[0], FORAMEN_DEPTH / 2 - 1 + error[1]),
    };
  });
}

/** Grades and annotates the lateral recesses of a study on its axial T2 series: for each side, five levels. */
export function readRecesses(study: AxialStudy): LateralReading[] {
  const random = new RandomStream(study.seed, study.index, PURPOSE.reader, 2);
  const reader = readerOf(study);
  const { spine, planes } = study;
  return sidesAndLevels((side, level) => {
    const sign = side === 'left' ? 1 : -1;
    const own = planes.flatMap((plane, slice) => (plane.level === LEVELS[level] ? [slice] : []));
    const position = spine.levelPosition[level]!;
    const [y, z] = spine.wall.point(position, RECESS_DEPTH / 2);
    const offsets = own.map((slice) => {
      const plane = planes[slice]!;
      return Math.abs((z - plane.z) * Math.cos(plane.angle) - (y - plane.y) * Math.sin(plane.angle));
    });
    const slice = own[offsets.indexOf(Math.min(...offsets))]!;
    const open = recessOpening(study, slice, sign) / RECESS_OPEN;
    const error = [random.bounded(0, 0.8), random.bounded(0, 0.8)] as const;
    return {
      side,
      level,
      slice,
      ...graded(1 - open, reader, random),
      x: spine.midline(z) + sign * RECESS_SIDE + error[0],
      point: spine.wall.point(position, RECESS_DEPTH / 2 + error[1]),
    };
  });
}

function sidesAndLevels(read: (side: Side, level: number) => LateralReading): LateralReading[] {
  return SIDES.flatMap((side) => LEVELS.map((_, level) => read(side, level)));
}

function graded(narrowing: number, reader: Reader, random: RandomStream) {
  const visible = Math.max(0, Math.min(1, narrowing));
  const grades = { grade: gradeOf(visible), reportedGrade: reportedGrade(reader, visible, random) };
  return { narrowing: visible, ...grades };
}

/** Fat of the foramen around s in a sagittal slice, summed through its thickness. */
function foramenFat(study: PhantomStudy, slice: number, s: number): number {
  const { spine, acquisition } = study;
  let sum = 0;
  for (let along = s - 9; along <= s + 9; along += 2 * STEP) {
    for (let t = 0; t <= FORAMEN_DEPTH; t += STEP) {
      const [y, z] = spine.wall.point(along, t);
      for (const fraction of THROUGH_PLANE) {
        const x = xInSlice(acquisition, slice, y) + fraction * acquisition.sliceThickness;
        sum += foramenSample(study, along, t, x - spine.midline(z)).fat;
      }
    }
  }
  return sum;
}

/** Fraction of a recess that is bright (fat or CSF) in an axial slice. */
function recessOpening(study: AxialStudy, slice: number, sign: number): number {
  const { spine, planes, acquisition, signals } = study;
  const plane = planes[slice]!;
  const point: CanalPoint = { inside: false, signal: 0, csf: 0 };
  const threshold = 0.5 * signals.fat;
  let bright = 0;
  let total = 0;
  for (const fraction of THROUGH_PLANE) {
    const q = fraction * acquisition.sliceThickness;
    for (let p = plane.disc.halfDepth - 6; p < plane.disc.halfDepth + 14; p += STEP) {
      const { y, z } = pointAt(plane, p, q);
      spine.wall.locate(y, z, spine.wall.sAtHeight(z));
      const { s, t } = spine.wall;
      if (t < 0 || t > RECESS_DEPTH) continue;
      for (let side = 6.5; side <= 11; side += STEP) {
        canalSample(study, s, t, sign * side, point);
        total++;
        if (point.inside && point.signal > threshold) bright++;
      }
    }
  }
  return bright / total;
}
