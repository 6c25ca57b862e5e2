/** Writes CSV files that spreadsheets and pandas open. */

/** Null is an empty field. A number is written with the fewest digits that read back as the same number. */
export type CsvValue = string | number | null;

/** The first characters of a formula, also in the full width forms of East Asian keyboards, and of a text with the mark of `field`. */
const FORMULA = /^[=+\-@\t\r\n'\uff1d\uff0b\uff0d\uff20]/;

/** A number, which is no formula although it can begin with a minus sign. */
const NUMBER = /^-?\d+(\.\d+)?$/;

/**
 * The text of a CSV file with a header line (RFC 4180, with LF). A text that a spreadsheet would run as a formula, because
 * it begins with = + - @ or a control character and is no number, gets the prefix `'` ("CSV injection", OWASP); `csvText`
 * removes it.
 *
 * @example
 * formatCsv(['study', 'p'], [['=1+1', 0.25]]); // "study,p\n'=1+1,0.25\n"
 */
export function formatCsv(columns: readonly string[], rows: readonly (readonly CsvValue[])[]): string {
  return [columns, ...rows].map((row) => `${row.map(field).join(',')}\n`).join('');
}

function field(value: CsvValue): string {
  if (value === null) return '';
  if (typeof value === 'number') return String(value);
  const safe = FORMULA.test(value) && !NUMBER.test(value) ? `'${value}` : value;
  return /[",\r\n]|^\s|\s$/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

/** The text of a field that `formatCsv` wrote. */
export const csvText = (value: string): string => value.replace(/^'/, '');
