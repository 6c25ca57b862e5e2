/** `localization.csv`: one line per annotated disc of a test slice, with what the localizer found. */
import type { Point } from '../anatomy.js';
import { formatCsv } from '../io/writeCsv.js';
import type { DiscError } from './localization.js';
import { FLAG_SEPARATOR, readTable } from './table.js';

const COLUMNS = [
  ...['study', 'series', 'image', 'level', 'x', 'y', 'found_x', 'found_y', 'error_px', 'error_mm'],
  ...['nearest_level', 'nearest_mm', 'probability', 'level_probability', 'flags'],
] as const;

/** The text of localization.csv; `readLocalization` returns the same numbers. */
export function formatLocalization(errors: readonly DiscError[]): string {
  const rows = errors.map((row) => [
    ...[row.study, row.series, row.image, row.level, ...row.annotated],
    ...(row.found ?? [null, null]),
    ...[row.errorPx, row.errorMm, row.nearestLevel, row.nearestMm, row.probability, row.levelProbability],
    row.flags.join(FLAG_SEPARATOR),
  ]);
  return formatCsv(COLUMNS, rows);
}

/**
 * Reads localization.csv.
 *
 * @throws SpinegradError ERR_PREDICTIONS for a value that is none; of `readCsv`
 */
export async function readLocalization(path: string): Promise<DiscError[]> {
  return await readTable(path, COLUMNS, ({ text, name, number, optional, flags }) => {
    const found: Point | null = optional('found_x') === null ? null : [number('found_x'), number('found_y')];
    return {
      ...{ study: name('study'), series: name('series'), image: name('image'), level: name('level') },
      annotated: [number('x'), number('y')],
      found,
      errorPx: optional('error_px'),
      errorMm: optional('error_mm'),
      nearestLevel: text('nearest_level') || null,
      nearestMm: optional('nearest_mm'),
      probability: optional('probability'),
      levelProbability: optional('level_probability'),
      flags: flags('flags'),
    };
  });
}
