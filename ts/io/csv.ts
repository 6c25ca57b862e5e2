/** Reads a CSV file with a header line as rows of named text fields. */
import { createReadStream } from 'node:fs';
import { type CsvError, parse } from 'csv-parse';
import { SpinegradError } from '../error.js';
import { readError } from './files.js';

export interface CsvRow {
  /** Line number in the file, for error messages; the header is line 1. */
  line: number;
  fields: Record<string, string>;
}

/**
 * Reads a CSV file. `columns` must be present, in any order; other columns are kept.
 *
 * @throws SpinegradError ERR_FILE_NOT_FOUND, ERR_FILE_READ, ERR_CSV_HEADER if a column is missing, ERR_CSV if a line
 *   cannot be parsed
 */
export async function readCsv(path: string, columns: readonly string[]): Promise<CsvRow[]> {
  const rows: CsvRow[] = [];
  let header: string[] | null = null;
  try {
    const parser = createReadStream(path).pipe(
      parse({ bom: true, info: true, skip_empty_lines: true, trim: true }),
    );
    for await (const { info, record } of parser as AsyncIterable<{
      info: { lines: number };
      record: string[];
    }>) {
      if (header === null) {
        header = record;
        checkHeader(path, header, columns);
        continue;
      }
      rows.push({
        line: info.lines,
        fields: Object.fromEntries(header.map((name, i) => [name, record[i] ?? ''])),
      });
    }
  } catch (cause) {
    if (cause instanceof SpinegradError) throw cause;
    const { code, message } = cause as CsvError;
    if (!code?.startsWith('CSV_')) throw readError(path, cause);
    const expected = 'comma-separated values with a header line';
    throw new SpinegradError('ERR_CSV', `${path}: ${message}; expected ${expected}`, { cause });
  }
  if (header === null) checkHeader(path, [], columns);
  return rows;
}

function checkHeader(path: string, found: string[], expected: readonly string[]): void {
  const missing = expected.filter((column) => !found.includes(column));
  if (missing.length === 0) return;
  throw new SpinegradError(
    'ERR_CSV_HEADER',
    `${path}: has no column ${missing.join(', ')}; found ` +
      `${found.slice(0, 8).join(', ') || 'an empty file'}${found.length > 8 ? `, … (${found.length})` : ''}`,
  );
}
