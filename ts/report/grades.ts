/** A grade is drawn by colour and by shape, so that it can be read in print and by colour-blind readers. */
import {
  symbol,
  symbolCircle,
  symbolCross,
  symbolDiamond,
  symbolSquare,
  symbolStar,
  symbolTriangle,
} from 'd3-shape';
import type { Metrics } from '../evaluation/types.js';
import type { GradeScale } from '../tasks/task.js';
import { type Markup, markup } from './markup.js';

const SHAPES = [
  { name: 'circle', type: symbolCircle },
  { name: 'triangle', type: symbolTriangle },
  { name: 'square', type: symbolSquare },
  { name: 'diamond', type: symbolDiamond },
  { name: 'star', type: symbolStar },
  { name: 'cross', type: symbolCross },
];

const shapeOf = (grade: number) => SHAPES[grade % SHAPES.length]!;

export const gradeName = ({ grades }: GradeScale, grade: number | null): string =>
  grade === null ? 'not graded' : grades[grade]!.name;

/** Class that sets `--grade` to the colour of the grade (style.ts). */
export const gradeClass = (grade: number | null): string => (grade === null ? 'ungraded' : `grade-${grade}`);

/** The filled symbol of a grade at (x, y); `area` in square units. */
export function gradeSymbol(grade: number | null, x: number, y: number, area = 42): Markup {
  const path = symbol(grade === null ? symbolCircle : shapeOf(grade).type, area)();
  return markup`<path class="symbol ${gradeClass(grade)}" transform="translate(${x} ${y})" d="${path}" />`;
}

/** The legend of the symbols, such as `Circle: normal; triangle: moderate; square: severe.` */
export function symbolLegend({ grades }: GradeScale): string {
  const text = grades.map(({ name }, grade) => `${shapeOf(grade).name}: ${name}`).join('; ');
  return `${text[0]!.toUpperCase()}${text.slice(1)}.`;
}

/** `severe predicted as normal`; null if the grades are not ordered. */
export function extremeError({ grades, ordered }: GradeScale): string | null {
  return ordered ? `${grades.at(-1)!.name} predicted as ${grades[0]!.name}` : null;
}

const presentGrades = ({ grades }: GradeScale, { recall }: Metrics): string[] =>
  grades.map(({ name }) => name).filter((name) => recall[name] !== null);

/** Balanced accuracy of random predictions: 1 / number of grades that the test set has. */
export const chance = (scale: GradeScale, metrics: Metrics): number =>
  1 / presentGrades(scale, metrics).length;

/** A warning if the test set lacks a grade, else null. */
export function missingGrades(scale: GradeScale, metrics: Metrics): string | null {
  const present = presentGrades(scale, metrics);
  const missing = scale.grades.map(({ name }) => name).filter((name) => !present.includes(name));
  if (missing.length === 0) return null;
  return (
    `The test set has no disc graded ${missing.join(' or ')}. Balanced accuracy is the mean recall of ` +
    `${present.join(' and ')}; chance is ${chance(scale, metrics).toFixed(2)}.`
  );
}
