/**
 * Reads the folder layout of the RSNA 2024 Lumbar Spine Degenerative Classification data:
 *
 *     train.csv                      study_id, <condition>_<level> x 25: label of a grade, or empty
 *     train_label_coordinates.csv    study_id, series_id, instance_number, condition, level, x, y
 *     train_series_descriptions.csv  study_id, series_id, series_description
 *     train_images/<study_id>/<series_id>/<instance_number>.dcm
 *
 * A missing or unreadable CSV file is an error. An invalid row, series or study is listed in `skipped`; docs/data.md
 * lists all cases.
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
  /** Index into the grades of the task. Null without a valid label: pretraining and localization still use the disc. */
  grade: number | null;
  seriesId: string;
  instanceNumber: number;
  /** Disc centre in pixels of the source image. */
  x: number;
  y: number;
}

export interface RsnaStudy {
  studyId: string;
  discs: RsnaDisc[];
}

export interface RsnaData {
  dataDir: string;
  task: Task;
  synthetic: boolean;
  /** Sorted by study id. Each study has at least one disc; discs are sorted by level. */
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
 * Reads the three CSV files and checks which series folders exist. Opens no image.
 *
 * @throws SpinegradError ERR_DATA_LAYOUT if a CSV or train_images is missing; ERR_CSV_HEADER, ERR_CSV, ERR_FILE_READ
 */
export async function readRsna(dataDir: string, task: Task): Promise<RsnaData> {
  await checkLayout(dataDir);
  const skipped: Skipped[] = [];
  const grades = await readGrades(join(dataDir, FILES.labels), task, skipped);
  const discs = await readCoordinates(join(dataDir, FILES.coordinates), task, skipped);
  const descriptions = await readSeries(join(dataDir, FILES.series), skipped);

  const studies: RsnaStudy[] = [];
  for (const studyId of [...new Set([...grades.keys(), ...discs.keys()])].sort(byNumber)) {
    const found = discs.get(studyId) ?? new Map<Level, Omit<RsnaDisc, 'grade'>>();
    const labels = grades.get(studyId);
    const study: RsnaStudy = { studyId, discs: [] };
    if (labels === undefined) {
      const message = `study ${studyId} has coordinates but no row in ${FILES.labels}; its discs have no grade`;
      skipped.push({ path: FILES.labels, code: 'ERR_LABEL_MISSING', message });
    }
    for (const level of task.levels) {
      const disc = found.get(level);
      const grade = labels?.get(level) ?? null;
      if (disc !== undefined) study.discs.push({ ...disc, grade });
      else if (grade !== null) {
        const message = `study ${studyId} ${level} has a grade but no coordinates; disc skipped`;
        skipped.push({ path: FILES.coordinates, code: 'ERR_COORDINATE_MISSING', message });
      }
    }
    reportSeries(study, descriptions.get(studyId) ?? new Map(), task, skipped);
    study.discs = await withFolder(dataDir, study, skipped);
    if (study.discs.length > 0) studies.push(study);
  }
  for (const folder of await readdir(join(dataDir, FILES.images), { withFileTypes: true })) {
    if (!folder.isDirectory() || grades.has(folder.name) || discs.has(folder.name)) continue;
    const message = `neither ${FILES.labels} nor ${FILES.coordinates} lists this study; study skipped`;
    skipped.push({ path: join(FILES.images, folder.name), code: 'ERR_STUDY_UNLISTED', message });
  }
  return { dataDir, task, synthetic: await isSynthetic(dataDir), studies, skipped };
}

/** Compares ids, which are decimal numbers without leading zeros, as text. */
export function byNumber(a: string, b: string): number {
  return a.length - b.length || (a < b ? -1 : a > b ? 1 : 0);
}

async function checkLayout(dataDir: string): Promise<void> {
  if (!existsSync(dataDir)) {
    throw new SpinegradError(
      'ERR_DATA_LAYOUT',
      `${dataDir}: there is no such folder; pass a folder in the RSNA 2024 layout, or create one with ` +
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
      `${dataDir}: has no ${missing.join(', no ')}; expected the RSNA 2024 layout ` +
        `(${Object.values(FILES).join(', ')}); pass another folder, or create one with \`spinegrad phantom --out DIR\``,
    );
  }
}

/** Whether phantom.json marks the data as synthetic. */
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
      report(skipped, FILES.labels, row, 'ERR_DUPLICATE_ROW', `duplicate study ${studyId}; first row used`);
      continue;
    }
    const labels = new Map<Level, number>();
    studies.set(studyId, labels);
    for (const level of levels) {
      const label = row.fields[column(level)]!;
      const grade = gradeOf.get(label.toLowerCase());
      if (grade !== undefined) labels.set(level, grade);
      else if (label === '' || label.toLowerCase() === 'nan') {
        const message = `study ${studyId} ${level} has no label; the disc has no grade`;
        report(skipped, FILES.labels, row, 'ERR_LABEL_MISSING', message);
      } else {
        const expected = grades.map((grade) => grade.label).join(', ');
        const message = `study ${studyId} ${level}: found '${label}', expected ${expected}; the disc has no grade`;
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
    const skip = (code: Skipped['code'], message: string) =>
      report(skipped, FILES.coordinates, row, code, `study ${studyId}: ${message}`);
    const found = snakeCase(fields.condition!);
    if (!conditions.includes(found)) {
      skip('ERR_CONDITION_UNKNOWN', `unknown condition '${fields.condition}'; row skipped`);
    }
    if (found !== conditions[0]) continue;
    const level = LEVELS.find((name) => name === fields.level);
    if (level !== undefined && !levels.includes(level)) continue;
    const [instanceNumber, x, y] = [fields.instance_number!, fields.x!, fields.y!].map((text) =>
      text === '' ? Number.NaN : Number(text),
    ) as [number, number, number];
    if (level === undefined) {
      skip(
        'ERR_LEVEL_UNKNOWN',
        `unknown level '${fields.level}', expected ${LEVELS.join(', ')}; row skipped`,
      );
    } else if (!Number.isInteger(instanceNumber) || !Number.isFinite(x) || !Number.isFinite(y)) {
      const text = `instance ${fields.instance_number}, x ${fields.x}, y ${fields.y}`;
      skip('ERR_COORDINATE_INVALID', `${level}: found ${text}, expected numbers; disc skipped`);
    } else {
      const discs = studies.get(studyId) ?? new Map();
      studies.set(studyId, discs);
      if (discs.has(level)) skip('ERR_DUPLICATE_ROW', `duplicate ${level}; first row used`);
      else discs.set(level, { level, seriesId, instanceNumber, x, y });
    }
  }
  return studies;
}

async function readSeries(path: string, skipped: Skipped[]) {
  const studies = new Map<string, Map<string, string>>();
  for (const row of await readCsv(path, ['study_id', 'series_id', 'series_description'])) {
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

/** Reports series of the task's description that have no annotations. */
function reportSeries(
  study: RsnaStudy,
  descriptions: Map<string, string>,
  { series }: Task,
  skipped: Skipped[],
): void {
  const used = new Set(study.discs.map((disc) => disc.seriesId));
  for (const [seriesId, description] of descriptions) {
    if (description !== series.description || used.has(seriesId) || used.size === 0) continue;
    const message = `another ${description} series, without coordinates; ${[...used].join(', ')} is used`;
    const path = join(FILES.images, study.studyId, seriesId);
    skipped.push({ path, code: 'ERR_SERIES_EXTRA', message });
  }
}

/** The discs whose series folder exists; reports the others. */
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
    const message = `the series folder is missing; ${levels.join(', ')} of study ${study.studyId} skipped`;
    skipped.push({ path: relative(dataDir, path), code: 'ERR_SERIES_MISSING', message });
  }
  return study.discs.filter((disc) => !missing.has(disc.seriesId));
}

function report(skipped: Skipped[], file: string, row: CsvRow, code: Skipped['code'], message: string): void {
  skipped.push({ path: `${file}:${row.line}`, code, message });
}
