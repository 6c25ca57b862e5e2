/**
 * `groups.csv` in the folder of a study: where each patient was examined. Either the columns `study`, `scanner` and
 * `field_strength` (in tesla; both may be empty), or SPIDER's overview.csv as published.
 */
import { SpinegradError } from '../error.js';
import { groupBy } from '../evaluation/groupBy.js';
import { type CsvRow, readCsv } from '../io/csv.js';
import { csvText } from '../io/writeCsv.js';
import type { PatientGroups } from './evaluateGroups.js';

/** Columns of SPIDER's overview.csv, which has one line per series `<patient>_<t1|t2|t2_SPACE>`. */
const SPIDER = ['new_file_name', 'Manufacturer', 'ManufacturerModelName', 'MagneticFieldStrength'];

/**
 * Reads groups.csv. A patient whose lines differ has no group of that kind.
 *
 * @throws SpinegradError ERR_GROUPS for a field strength that is not a number; of `readCsv`
 *
 * @example
 * (await readGroups('groups.csv')).get('105'); // { scanner: 'SIEMENS Avanto_fit', fieldStrength: '1.5 T' }
 */
export async function readGroups(path: string): Promise<Map<string, PatientGroups>> {
  const rows = await readCsv(path, []);
  const isSpider = rows[0] !== undefined && 'new_file_name' in rows[0].fields;
  const parsed = (await readCsv(path, isSpider ? SPIDER : ['study', 'scanner', 'field_strength'])).map(
    (row) => (isSpider ? fromSpider(row, path) : fromTable(row, path)),
  );
  const patients = groupBy(parsed, ({ study }) => study);
  return new Map(
    [...patients].map(([study, lines]) => [
      study,
      {
        scanner: common(lines.map(({ scanner }) => scanner)),
        fieldStrength: common(lines.map(({ fieldStrength }) => fieldStrength)),
      },
    ]),
  );
}

const common = (values: readonly (string | null)[]): string | null =>
  new Set(values).size === 1 ? values[0]! : null;

interface Line extends PatientGroups {
  study: string;
}

function fromTable({ fields, line }: CsvRow, path: string): Line {
  const scanner = csvText(fields.scanner!) || null;
  return { study: csvText(fields.study!), scanner, fieldStrength: tesla(fields.field_strength!, line, path) };
}

function fromSpider({ fields, line }: CsvRow, path: string): Line {
  const [manufacturer = ''] = fields.Manufacturer!.split(' ');
  return {
    study: fields.new_file_name!.split('_')[0]!,
    scanner: `${manufacturer} ${fields.ManufacturerModelName}`.trim() || null,
    fieldStrength: tesla(fields.MagneticFieldStrength!, line, path),
  };
}

function tesla(text: string, line: number, path: string): string | null {
  if (text === '') return null;
  const value = Number(text);
  if (value > 0 && value < Infinity) return `${value} T`;
  throw new SpinegradError(
    'ERR_GROUPS',
    `${path}: line ${line}: found the field strength '${text}', expected a number of tesla; leave it empty if it is unknown`,
  );
}
