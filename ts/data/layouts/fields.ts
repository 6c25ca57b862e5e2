/** Readers of the fields of a table. Except `readGrade`, each returns undefined for a text that it does not understand. */
import { DISC_LEVELS, type Level, type Side } from '../../anatomy.js';
import type { Skipped } from '../../error.js';
import { gradeOf, type Task } from '../../tasks/task.js';

/**
 * The level of a text. Case, blanks and separators are ignored, `Th` is T, and the letter of the second vertebra can be
 * omitted if it is that of the first: `L4/L5`, `L4-L5`, `l4 l5`, `L45`, `Th12/L1`. A number from 1 to 9 is an IVD label of
 * SPIDER: 1 is L5/S1, 9 is T9/T10.
 */
export function levelOf(text: string): Level | undefined {
  const key = keyOf(text);
  return /^[1-9]$/.test(key) ? DISC_LEVELS.at(-Number(key)) : LEVEL_OF_KEY.get(key);
}

const keyOf = (text: string): string =>
  text
    .toLowerCase()
    .replace(/[^a-z0-9]/g, '')
    .replaceAll('th', 't');

const LEVEL_OF_KEY = new Map(
  DISC_LEVELS.flatMap((level): [string, Level][] => {
    const key = keyOf(level);
    return [
      [key, level],
      [key.replace(/^([a-z])(\d+)\1/, '$1$2'), level],
    ];
  }),
);

/** A finite number; null for an empty text. */
export function numberOf(text: string): number | null | undefined {
  if (text === '') return null;
  const value = Number(text);
  return Number.isFinite(value) ? value : undefined;
}

/** Distances between rows and between columns in mm, from one number or `row x column`; null for an empty text. */
export function spacingOf(text: string): readonly [number, number] | null | undefined {
  if (text === '') return null;
  const values = text.split(/\s*[x×*]\s*/i).map(Number);
  const [row, column = row] = values;
  const isValid = values.length <= 2 && row! > 0 && column! > 0 && values.every(Number.isFinite);
  return isValid ? [row!, column!] : undefined;
}

const SIDE_OF = { '': null, l: 'left', left: 'left', r: 'right', right: 'right' } as const;

/** A side of the patient; null for an empty text. */
export const sideOf = (text: string): Side | null | undefined =>
  SIDE_OF[text.toLowerCase() as keyof typeof SIDE_OF];

const FLAGS = { '': false, true: true, yes: true, 1: true, false: false, no: false, 0: false };

/** A flag; false for an empty text. */
export const flagOf = (text: string): boolean | undefined => FLAGS[text.toLowerCase() as keyof typeof FLAGS];

/**
 * The grade of a label; null and a report if the label is missing or unknown.
 *
 * @param label empty or `nan`: missing
 */
export function readGrade(
  task: Task,
  label: string,
  report: (code: Skipped['code'], message: string) => void,
): number | null {
  const grade = gradeOf(task, label);
  if (grade !== undefined) return grade;
  if (label === '' || label.toLowerCase() === 'nan') {
    report('ERR_LABEL_MISSING', 'no label; the disc has no grade');
  } else {
    const expected = task.grades.flatMap(({ labels }) => labels).join(', ');
    report('ERR_LABEL_UNKNOWN', `found '${label}', expected ${expected}; the disc has no grade`);
  }
  return null;
}
