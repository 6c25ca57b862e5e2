/** One CSV file as rows of named text fields, with its header checked. */
import { createReadStream } from 'node:fs';
import { type CsvError, parse } from 'csv-parse';
import { SpinegradError } from '../error.js';

export interface CsvRow {
  /** Line in the file, for messages; the header is line 1. */
  line: number;
  fields: Record<string, string>;
}

/**
 * Reads a CSV with a header line. Columns beyond the expected ones are kept; their order does not matter.
 *
 * @throws SpinegradError ERR_READ, ERR_CSV_HEADER if a column is missing, ERR_CSV if a line cannot be parsed
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
    if (!code?.startsWith('CSV_'))
      throw new SpinegradError('ERR_READ', `cannot read ${path}: ${message}`, { cause });
    throw new SpinegradError('ERR_CSV', `${path}: ${message}; expected comma-separated values with a header line`, {
      cause,
    });
  }
  if (header === null) checkHeader(path, [], columns);
  return rows;
}

function checkHeader(path: string, found: string[], expected: readonly string[]): void {
  const missing = expected.filter((column) => !found.includes(column));
  if (missing.length === 0) return;
  throw new SpinegradError(
    'ERR_CSV_HEADER',
    `${path}: found the columns ${found.slice(0, 8).join(', ') || '(none: the file is empty)'}` +
      `${found.length > 8 ? `, … (${found.length})` : ''}; expected also ${missing.join(', ')}`,
  );
}
