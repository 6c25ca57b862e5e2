/**
 * The folder layout of the RSNA 2024 Lumbar Spine Degenerative Classification data:
 *
 *     train.csv                      study_id, <condition>_<level> x 25: a grade's label or empty
 *     train_label_coordinates.csv    study_id, series_id, instance_number, condition, level, x, y
 *     train_series_descriptions.csv  study_id, series_id, series_description
 *     train_images/<study_id>/<series_id>/<instance_number>.dcm
 *
 * Only a missing or unreadable CSV stops the reading. What is wrong with one row, series or study is reported in
 * `skipped` and left out; docs/data.md lists each case and its outcome.
 */
import { existsSync } from 'node:fs';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { LEVELS, type Level } from '../anatomy.js';
import { type Skipped, SpinegradError } from '../error.js';
import { type CsvRow, readCsv } from '../io/csv.js';
import { RSNA_TASKS } from '../tasks/rsna.js';
import { snakeCase, type Task } from '../tasks/task.js';

export interface RsnaDisc {
  level: Level;
  /** Index into the task's grades. Null without a known label: pretraining and localization still use the disc. */
  grade: number | null;
  seriesId: string;
  instanceNumber: number;
  /** Pixels of the source image. */
  x: number;
  y: number;
}

export interface RsnaStudy {
  studyId: string;
  /** The series that carry the condition's coordinates, as in the coordinates CSV. */
  discs: RsnaDisc[];
}

export interface RsnaData {
  dataDir: string;
  task: Task;
  synthetic: boolean;
  /** Sorted by study id; each has at least one disc; discs go from L1/L2 to L5/S1. */
  studies: RsnaStudy[];
  skipped: Skipped[];
}

const FILES = {
  labels: 'train.csv',
  coordinates: 'train_label_coordinates.csv',
  series: 'train_series_descriptions.csv',
  images: 'train_images',
};

export function studyFolder(dataDir: string, studyId: string): string {
  return join(dataDir, FILES.images, studyId);
}

export function seriesFolder(dataDir: string, studyId: string, seriesId: string): string {
  return join(studyFolder(dataDir, studyId), seriesId);
}

/**
 * Reads the three CSVs and looks which series folders are there; opens no image.
 *
 * @throws SpinegradError ERR_DATA_LAYOUT if a CSV or train_images is missing; ERR_CSV_HEADER, ERR_CSV, ERR_FILE_READ
 */
export async function readRsna(dataDir: string, task: Task): Promise<RsnaData> {
  await checkLayout(dataDir);
  const skipped: Skipped[] = [];
  const grades = await readGrades(join(dataDir, FILES.labels), task, skipped);
  const discs = await readCoordinates(join(dataDir, FILES.coordinates), task, skipped);
  const kinds = await readSeries(join(dataDir, FILES.series), skipped);

  const studies: RsnaStudy[] = [];
  for (const studyId of [...new Set([...grades.keys(), ...discs.keys()])].sort(byNumber)) {
    const found = discs.get(studyId) ?? new Map<Level, Omit<RsnaDisc, 'grade'>>();
    const labels = grades.get(studyId);
    const study: RsnaStudy = { studyId, discs: [] };
    if (labels === undefined) {
      const message = `study ${studyId} has coordinates but no row in ${FILES.labels}; its discs stay ungraded`;
      skipped.push({ path: FILES.labels, code: 'ERR_LABEL_MISSING', message });
    }
    for (const level of task.levels) {
      const disc = found.get(level);
      const grade = labels?.get(level) ?? null;
      if (disc !== undefined) study.discs.push({ ...disc, grade });
      else if (grade !== null) {
        const message = `study ${studyId} ${level} has a grade but no coordinates; left out`;
        skipped.push({ path: FILES.coordinates, code: 'ERR_COORDINATE_MISSING', message });
      }
    }
    reportSeries(study, kinds.get(studyId) ?? new Map(), task, skipped);
    study.discs = await withFolder(dataDir, study, skipped);
    if (study.discs.length > 0) studies.push(study);
  }
  for (const folder of await readdir(join(dataDir, FILES.images), { withFileTypes: true })) {
    if (!folder.isDirectory() || grades.has(folder.name) || discs.has(folder.name)) continue;
    const message = `neither ${FILES.labels} nor ${FILES.coordinates} names this study; left out`;
    skipped.push({ path: join(FILES.images, folder.name), code: 'ERR_STUDY_UNLISTED', message });
  }
  return { dataDir, task, synthetic: await isSynthetic(dataDir), studies, skipped };
}

/** Study and series ids are numbers as text: shorter first, then by digits. */
export function byNumber(a: string, b: string): number {
  return a.length - b.length || (a < b ? -1 : a > b ? 1 : 0);
}

async function checkLayout(dataDir: string): Promise<void> {
  if (!existsSync(dataDir)) {
    throw new SpinegradError(
      'ERR_DATA_LAYOUT',
      `${dataDir}: there is no such folder; name one in the RSNA 2024 layout, or make one by ` +
        '`spinegrad phantom --out DIR`',
    );
  }
  const missing: string[] = [];
  for (const name of Object.values(FILES)) {
    if (
      await stat(join(dataDir, name)).then(
        () => false,
        () => true,
      )
    )
      missing.push(name);
  }
  if (missing.length > 0) {
    throw new SpinegradError(
      'ERR_DATA_LAYOUT',
      `${dataDir}: found no ${missing.join(', no ')}; expected the RSNA 2024 layout ` +
        `(${Object.values(FILES).join(', ')}); name another folder, or make one by \`spinegrad phantom --out DIR\``,
    );
  }
}

/** True where the phantom left its marker, phantom.json with `synthetic: true`. */
async function isSynthetic(dataDir: string): Promise<boolean> {
  try {
    return JSON.parse(await readFile(join(dataDir, 'phantom.json'), 'utf8')).synthetic === true;
  } catch {
    return false;
  }
}

async function readGrades(path: string, { condition, grades, levels }: Task, skipped: Skipped[]) {
  const column = (level: Level) => snakeCase(`${condition} ${level}`);
  const gradeOf = new Map(grades.map(({ label }, grade) => [label.toLowerCase(), grade]));
  const studies = new Map<string, Map<Level, number>>();
  for (const row of await readCsv(path, ['study_id', ...levels.map(column)])) {
    const studyId = row.fields.study_id!;
    if (studies.has(studyId)) {
      report(skipped, FILES.labels, row, 'ERR_DUPLICATE_ROW', `study ${studyId} again; the first row counts`);
      continue;
    }
    const labels = new Map<Level, number>();
    studies.set(studyId, labels);
    for (const level of levels) {
      const label = row.fields[column(level)]!;
      const grade = gradeOf.get(label.toLowerCase());
      if (grade !== undefined) labels.set(level, grade);
      else if (label === '' || label.toLowerCase() === 'nan') {
        const message = `study ${studyId} ${level} has no label; the disc stays ungraded`;
        report(skipped, FILES.labels, row, 'ERR_LABEL_MISSING', message);
      } else {
        const expected = grades.map((each) => each.label).join(', ');
        const message = `study ${studyId} ${level}: found '${label}', expected ${expected}; the disc stays ungraded`;
        report(skipped, FILES.labels, row, 'ERR_LABEL_UNKNOWN', message);
      }
    }
  }
  return studies;
}

async function readCoordinates(path: string, { condition, levels }: Task, skipped: Skipped[]) {
  const conditions = [condition, ...RSNA_TASKS.map((task) => task.condition)].map(snakeCase);
  const studies = new Map<string, Map<Level, Omit<RsnaDisc, 'grade'>>>();
  const columns = ['study_id', 'series_id', 'instance_number', 'condition', 'level', 'x', 'y'];
  for (const row of await readCsv(path, columns)) {
    const { study_id: studyId = '', series_id: seriesId = '', ...fields } = row.fields;
    const say = (code: Skipped['code'], message: string) =>
      report(skipped, FILES.coordinates, row, code, `study ${studyId}: ${message}`);
    const found = snakeCase(fields.condition!);
    if (!conditions.includes(found)) {
      say('ERR_CONDITION_UNKNOWN', `found the condition '${fields.condition}'; the row is left out`);
    }
    if (found !== conditions[0]) continue;
    const level = LEVELS.find((name) => name === fields.level);
    const [instanceNumber, x, y] = [fields.instance_number!, fields.x!, fields.y!].map((text) =>
      text === '' ? Number.NaN : Number(text),
    ) as [number, number, number];
    if (level === undefined) {
      say('ERR_LEVEL_UNKNOWN', `found the level '${fields.level}', expected ${LEVELS.join(', ')}; left out`);
    } else if (!levels.includes(level)) {
    } else if (!Number.isInteger(instanceNumber) || !Number.isFinite(x) || !Number.isFinite(y)) {
      const text = `instance ${fields.instance_number}, x ${fields.x}, y ${fields.y}`;
      say('ERR_COORDINATE_INVALID', `${level}: found ${text}, expected numbers; left out`);
    } else {
      const discs = studies.get(studyId) ?? new Map();
      studies.set(studyId, discs);
      if (discs.has(level)) say('ERR_DUPLICATE_ROW', `${level} again; the first row counts`);
      else discs.set(level, { level, seriesId, instanceNumber, x, y });
    }
  }
  return studies;
}

async function readSeries(path: string, skipped: Skipped[]) {
  const studies = new Map<string, Map<string, string>>();
  for (const row of await readCsv(path, ['study_id', 'series_id', 'series_description'])) {
    const { study_id: studyId = '', series_id: seriesId = '', series_description: kind = '' } = row.fields;
    const series = studies.get(studyId) ?? new Map<string, string>();
    studies.set(studyId, series);
    if (series.has(seriesId)) {
      const message = `study ${studyId} series ${seriesId} again; the first row counts`;
      report(skipped, FILES.series, row, 'ERR_DUPLICATE_ROW', message);
    } else series.set(seriesId, kind);
  }
  return studies;
}

/** Reports the series of the right kind that nobody annotated: the coordinates decide which one is used. */
function reportSeries(
  study: RsnaStudy,
  kinds: Map<string, string>,
  { series }: Task,
  skipped: Skipped[],
): void {
  const kind = series.description;
  const used = new Set(study.discs.map((disc) => disc.seriesId));
  for (const [seriesId, description] of kinds) {
    if (description !== kind || used.has(seriesId) || used.size === 0) continue;
    const message = `a further ${kind} series without coordinates; ${[...used].join(', ')} is used`;
    const path = join(FILES.images, study.studyId, seriesId);
    skipped.push({ path, code: 'ERR_SERIES_EXTRA', message });
  }
}

async function withFolder(dataDir: string, study: RsnaStudy, skipped: Skipped[]): Promise<RsnaDisc[]> {
  const missing = new Set<string>();
  for (const seriesId of new Set(study.discs.map((disc) => disc.seriesId))) {
    const path = seriesFolder(dataDir, study.studyId, seriesId);
    if (
      await stat(path).then(
        (found) => found.isDirectory(),
        () => false,
      )
    )
      continue;
    missing.add(seriesId);
    const levels = study.discs.filter((disc) => disc.seriesId === seriesId).map((disc) => disc.level);
    const message = `the series folder is not there; ${levels.join(', ')} of study ${study.studyId} left out`;
    skipped.push({ path: relative(dataDir, path), code: 'ERR_SERIES_MISSING', message });
  }
  return study.discs.filter((disc) => !missing.has(disc.seriesId));
}

function report(skipped: Skipped[], file: string, row: CsvRow, code: Skipped['code'], message: string): void {
  skipped.push({ path: `${file}:${row.line}`, code, message });
}
