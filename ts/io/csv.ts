/** Reads CSV files as rows of named text fields, also those that spreadsheets write in countries with a decimal comma. */
import type { CsvError } from 'csv-parse';
import { parse } from 'csv-parse/sync';
import { SpinegradError } from '../error.js';
import { readBytes } from './files.js';
import { csvText } from './writeCsv.js';

export interface CsvRow {
  /** Line number in the file, for error messages; the header is line 1. */
  line: number;
  fields: Record<string, string>;
}

export interface CsvOptions {
  /** Name of a column from its header; default: the header as it is. */
  nameOf?: (header: string) => string;
  /** Whether `formatCsv` may have written the file: its mark of texts that begin like a formula is removed. Default false. */
  isMarked?: boolean;
}

/**
 * Reads a CSV file (RFC 4180) with a header line. The header decides whether fields are separated by commas, semicolons or
 * tabs. If it is not by commas, numbers such as 1,5 become 1.5. A byte order mark, any mixture of line ends, blanks around
 * fields and empty lines are accepted.
 *
 * @param columns must be present, in any order; other columns are kept
 * @throws SpinegradError ERR_FILE_NOT_FOUND, ERR_FILE_READ; ERR_CSV_HEADER if a column is missing or occurs twice; ERR_CSV
 *   if a line cannot be parsed or has another number of fields than the header
 *
 * @example
 * for (const { line, fields } of await readCsv('discs.csv', ['study', 'level'])) console.log(line, fields.study);
 */
export async function readCsv(
  path: string,
  columns: readonly string[],
  { nameOf = (header) => header, isMarked = false }: CsvOptions = {},
): Promise<CsvRow[]> {
  const bytes = await readBytes(path);
  const delimiter = delimiterOf(bytes);
  const [header, ...records] = parseRecords(path, bytes, delimiter);
  const names = (header?.record ?? []).map(nameOf);
  checkHeader(path, names, columns);
  const number = delimiter === ',' ? (field: string) => field : withDecimalPoint;
  const text = isMarked ? (field: string) => number(csvText(field)) : number;
  return records.map(({ record, info }) => ({
    line: info.lines,
    fields: Object.fromEntries(names.map((name, i) => [name, text(record[i]!)])),
  }));
}

/** The most frequent candidate outside quotes in the first line; the comma if there is none. */
function delimiterOf(bytes: Buffer): string {
  const [line = ''] = bytes.toString('latin1').split(/[\r\n]/, 1);
  const header = line.replace(/"[^"]*"/g, '');
  const count = (delimiter: string) => header.split(delimiter).length;
  return [',', ';', '\t'].reduce((best, next) => (count(next) > count(best) ? next : best));
}

interface CsvRecord {
  record: string[];
  info: { lines: number };
}

function parseRecords(path: string, bytes: Buffer, delimiter: string): CsvRecord[] {
  try {
    return parse(bytes, {
      bom: true,
      delimiter,
      info: true,
      record_delimiter: ['\r\n', '\n', '\r'],
      skip_empty_lines: true,
      skip_records_with_empty_values: true,
      trim: true,
    }) as unknown as CsvRecord[];
  } catch (cause) {
    const expected =
      'a header line, and as many values in each line, separated by commas, semicolons or tabs';
    const { message } = cause as CsvError;
    throw new SpinegradError('ERR_CSV', `${path}: ${message}; expected ${expected}`, { cause });
  }
}

/** Replaces decimal commas in a field of numbers, such as `0,5` or `0,5 x 0,5`. */
function withDecimalPoint(field: string): string {
  return /^[-+\d,.\sxe]+$/i.test(field) ? field.replace(/(\d),(\d)/g, '$1.$2') : field;
}

function checkHeader(path: string, found: string[], expected: readonly string[]): void {
  const missing = expected.filter((column) => !found.includes(column));
  const repeated = found.filter((column, i) => column !== '' && found.indexOf(column) < i);
  if (missing.length === 0 && repeated.length === 0) return;
  const problem =
    missing.length > 0 ? `has no column ${missing.join(', ')}` : `has the column ${repeated[0]} twice`;
  throw new SpinegradError(
    'ERR_CSV_HEADER',
    `${path}: ${problem}; found ` +
      `${found.slice(0, 8).join(', ') || 'an empty file'}${found.length > 8 ? `, … (${found.length})` : ''}`,
  );
}
