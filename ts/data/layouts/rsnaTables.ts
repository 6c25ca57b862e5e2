/** Reads the CSV files of the RSNA 2024 layout (rsna.ts). An invalid row is listed in `skipped` with its line number. */
import { basename } from 'node:path';
import { DISC_LEVELS, type Level, type Point } from '../../anatomy.js';
import type { Skipped } from '../../error.js';
import { type CsvRow, readCsv } from '../../io/csv.js';
import { RSNA_TASKS } from '../../tasks/rsna.js';
import { snakeCase, type Task } from '../../tasks/task.js';
import { readGrade } from './fields.js';

/** Files and folders of the layout. */
export const FILES = {
  labels: 'train.csv',
  coordinates: 'train_label_coordinates.csv',
  series: 'train_series_descriptions.csv',
  images: 'train_images',
};

/** By study, per task, the grade of each level. */
export async function readLabels(path: string, tasks: readonly Task[], skipped: Skipped[]) {
  const columnOf = ({ column }: Task, level: Level) => snakeCase(`${column} ${level}`);
  const columns = tasks.flatMap((task) => task.levels.map((level) => columnOf(task, level)));
  const studies = new Map<string, Map<Level, number>[]>();
  for (const row of await readCsv(path, ['study_id', ...columns])) {
    if (!namesFolders(row, ['study_id'], FILES.labels, skipped)) continue;
    const studyId = row.fields.study_id!;
    if (studies.has(studyId)) {
      report(skipped, FILES.labels, row, 'ERR_DUPLICATE_ROW', `duplicate study ${studyId}; first row used`);
      continue;
    }
    const gradesOf = (task: Task) => {
      const grades = new Map<Level, number>();
      for (const level of task.levels) {
        const label = row.fields[columnOf(task, level)]!;
        const about = `study ${studyId} ${level} ${task.column}`;
        const grade = readGrade(task, label, (code, message) => {
          report(skipped, FILES.labels, row, code, `${about}: ${message}`);
        });
        if (grade !== null) grades.set(level, grade);
      }
      return grades;
    };
    studies.set(studyId, tasks.map(gradesOf));
  }
  return studies;
}

export interface Coordinate {
  seriesId: string;
  slice: number;
  centre: Point;
}

/** By study, per task, the coordinate of each level. */
export async function readCoordinates(path: string, tasks: readonly Task[], skipped: Skipped[]) {
  const conditions = new Set([...tasks, ...RSNA_TASKS].map(({ column }) => column));
  const studies = new Map<string, Map<Level, Coordinate>[]>();
  const columns = ['study_id', 'series_id', 'instance_number', 'condition', 'level', 'x', 'y'];
  for (const row of await readCsv(path, columns)) {
    if (!namesFolders(row, ['study_id', 'series_id'], FILES.coordinates, skipped)) continue;
    const { study_id: studyId = '', series_id: seriesId = '', ...fields } = row.fields;
    const skip = (code: Skipped['code'], message: string) =>
      report(skipped, FILES.coordinates, row, code, `study ${studyId}: ${message}`);
    const condition = snakeCase(fields.condition!);
    if (!conditions.has(condition)) {
      skip('ERR_CONDITION_UNKNOWN', `unknown condition '${fields.condition}'; row skipped`);
    }
    const level = DISC_LEVELS.find((known) => known === fields.level);
    const [slice, x, y] = [fields.instance_number!, fields.x!, fields.y!].map((text) =>
      text === '' ? Number.NaN : Number(text),
    ) as [number, number, number];
    for (const [index, task] of tasks.entries()) {
      if (condition !== task.column) continue;
      if (level === undefined) {
        const expected = task.levels.join(', ');
        skip('ERR_LEVEL_UNKNOWN', `unknown level '${fields.level}', expected ${expected}; row skipped`);
        continue;
      }
      if (!task.levels.includes(level)) continue;
      if (!Number.isInteger(slice) || !Number.isFinite(x) || !Number.isFinite(y)) {
        const text = `instance ${fields.instance_number}, x ${fields.x}, y ${fields.y}`;
        skip('ERR_COORDINATE_INVALID', `${level}: found ${text}, expected numbers; disc skipped`);
        continue;
      }
      const study = studies.get(studyId) ?? tasks.map(() => new Map<Level, Coordinate>());
      studies.set(studyId, study);
      const discs = study[index]!;
      if (discs.has(level)) skip('ERR_DUPLICATE_ROW', `duplicate ${level}; first row used`);
      else discs.set(level, { seriesId, slice, centre: [x, y] });
    }
  }
  return studies;
}

/** By study, the description of each series. */
export async function readDescriptions(path: string, skipped: Skipped[]) {
  const studies = new Map<string, Map<string, string>>();
  for (const row of await readCsv(path, ['study_id', 'series_id', 'series_description'])) {
    if (!namesFolders(row, ['study_id', 'series_id'], FILES.series, skipped)) continue;
    const {
      study_id: studyId = '',
      series_id: seriesId = '',
      series_description: description = '',
    } = row.fields;
    const series = studies.get(studyId) ?? new Map<string, string>();
    studies.set(studyId, series);
    if (series.has(seriesId)) {
      const message = `duplicate series ${seriesId} of study ${studyId}; first row used`;
      report(skipped, FILES.series, row, 'ERR_DUPLICATE_ROW', message);
    } else series.set(seriesId, description);
  }
  return studies;
}

/** Whether the ids of a row are names of folders; reports the row if they are not. A path could leave the data folder. */
function namesFolders(row: CsvRow, columns: readonly string[], file: string, skipped: Skipped[]): boolean {
  const isName = (text: string) => text === basename(text) && !['', '.', '..'].includes(text);
  const column = columns.find((name) => !isName(row.fields[name]!));
  if (column === undefined) return true;
  const found = `found ${column} '${row.fields[column]}', expected the name of a folder in ${FILES.images}`;
  report(skipped, file, row, 'ERR_ROW_INVALID', `${found}; row skipped`);
  return false;
}

function report(skipped: Skipped[], file: string, row: CsvRow, code: Skipped['code'], message: string): void {
  skipped.push({ path: `${file}:${row.line}`, code, message });
}
