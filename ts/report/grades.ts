import { symbol, symbolCircle, symbolSquare, symbolTriangle } from 'd3-shape';
import { GRADES } from '../anatomy.js';
import type { Metrics } from '../evaluation/types.js';
import { type Markup, markup } from './markup.js';

/** A grade is told by colour and by shape, so that it is read in print and by the colour-blind. */

const SHAPES = [symbolCircle, symbolTriangle, symbolSquare];

export const gradeName = (grade: number | null) => (grade === null ? 'not graded' : GRADES[grade]!);

/** Balanced accuracy by chance: one of the grades that the test set holds. */
export const chance = ({ recall }: Metrics) => 1 / GRADES.filter((grade) => recall[grade] !== null).length;

/** What to know where the test set lacks a grade; null where it lacks none. */
export function missingGrades(metrics: Metrics): string | null {
  const held = GRADES.filter((grade) => metrics.recall[grade] !== null);
  if (held.length === GRADES.length) return null;
  const missing = GRADES.filter((grade) => !held.includes(grade));
  return `The test set holds no ${missing.join(' and no ')} disc: balanced accuracy is over ${held.join(' and ')} alone, chance is ${chance(metrics).toFixed(2)}.`;
}

/** Class that sets `--grade` to the colour of the grade (style.ts). */
export const gradeClass = (grade: number | null) => (grade === null ? 'ungraded' : GRADES[grade]!);

/** The filled symbol of a grade at (x, y); `area` in square units. */
export function gradeSymbol(grade: number | null, x: number, y: number, area = 42): Markup {
  const path = symbol(grade === null ? symbolCircle : SHAPES[grade]!, area)();
  return markup`<path class="symbol ${gradeClass(grade)}" transform="translate(${x} ${y})" d="${path}" />`;
}
