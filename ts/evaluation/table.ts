/** Typed fields of the CSV tables that a run writes. */
import { SpinegradError } from '../error.js';
import { type CsvRow, readCsv } from '../io/csv.js';
import { csvText } from '../io/writeCsv.js';

export const FLAG_SEPARATOR = '; ';

/** Reads the fields of one line. A value of another type throws ERR_PREDICTIONS with file, line and column. */
export interface Fields {
  text(column: string): string;
  /** A text that is not empty. */
  name(column: string): string;
  oneOf<T extends string>(column: string, values: readonly T[]): T;
  number(column: string): number;
  /** A whole number from 0. */
  wholeNumber(column: string): number;
  /** Whole numbers from 0 and below `end`, separated by spaces; at least one. */
  wholeNumbers(column: string, end: number): number[];
  /** A number above 0 and at most 1. */
  fraction(column: string): number;
  /** A number, or null for an empty field. */
  optional(column: string): number | null;
  flags(column: string): string[];
  has(column: string): boolean;
}

/**
 * Reads a table with one object per line. The columns may be in any order, and further columns are ignored.
 *
 * @throws SpinegradError ERR_PREDICTIONS for a value of another type; of `readCsv`
 */
export async function readTable<T>(
  path: string,
  columns: readonly string[],
  parse: (fields: Fields) => T,
): Promise<T[]> {
  return (await readCsv(path, columns)).map((row) => parse(fieldsOf(row, path)));
}

/** The columns `p_0`, `p_1`, … of the line with the largest number of grades; at least two. */
export function probabilityColumns(lines: readonly { probabilities: readonly number[] }[]): string[] {
  const grades = lines.reduce((most, { probabilities }) => Math.max(most, probabilities.length), 2);
  return Array.from({ length: grades }, (_, grade) => `p_${grade}`);
}

/** The probabilities of a line; columns of further grades are empty. */
export function parseProbabilities({ has, number }: Fields): number[] {
  const probabilities: number[] = [];
  for (let grade = 0; has(`p_${grade}`); grade++) probabilities.push(number(`p_${grade}`));
  return probabilities;
}

function fieldsOf({ line, fields }: CsvRow, path: string): Fields {
  const fail = (column: string, expected: string): never => {
    throw new SpinegradError(
      'ERR_PREDICTIONS',
      `${path}: line ${line}: column ${column}: found '${fields[column]}', expected ${expected}`,
    );
  };
  const has = (column: string) => (fields[column] ?? '') !== '';
  const text = (column: string) => csvText(fields[column] ?? '');
  const number = (column: string) => {
    const value = Number(fields[column]);
    return has(column) && Number.isFinite(value) ? value : fail(column, 'a number');
  };
  return {
    has,
    text,
    number,
    wholeNumber: (column) => {
      const value = number(column);
      return Number.isInteger(value) && value >= 0 ? value : fail(column, 'a whole number from 0');
    },
    wholeNumbers: (column, end) => {
      const values = text(column).split(' ').map(Number);
      const isIn = (value: number) => Number.isInteger(value) && value >= 0 && value < end;
      return has(column) && values.every(isIn)
        ? values
        : fail(column, `whole numbers from 0 to ${end - 1}, separated by spaces`);
    },
    fraction: (column) => {
      const value = number(column);
      return value > 0 && value <= 1 ? value : fail(column, 'a number above 0 and at most 1');
    },
    name: (column) => text(column) || fail(column, 'a name'),
    oneOf: (column, values) =>
      values.find((value) => value === fields[column]) ?? fail(column, `one of ${values.join(', ')}`),
    optional: (column) => (has(column) ? number(column) : null),
    flags: (column) => (has(column) ? text(column).split(FLAG_SEPARATOR) : []),
  };
}
