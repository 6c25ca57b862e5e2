/** Writes the DICOM files of one study and returns its lines of the CSV files. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { conditionOf, RSNA_TASKS } from '../tasks/rsna.js';
import { encodeSlice, identityOf, SERIES_DESCRIPTION, toPixel } from './dicom.js';
import { Painter } from './painter.js';
import type { Prevalence } from './prevalence.js';
import { type LevelReading, readStudy } from './reader.js';
import { drawStudy, type PhantomStudy } from './study.js';
import { PHANTOM_TASK, type StudyRows } from './tables.js';

export interface PhantomOptions {
  /** Folder to write; created if missing, must be empty. */
  readonly out: string;
  readonly studies: number;
  readonly seed: number;
  readonly prevalence: Prevalence;
  /** Sagittal slices per study, centred on the midline; default 7. */
  readonly slices?: number;
}

/** Writes the files of study `index` to `train_images`. */
export async function writeStudy(options: PhantomOptions, index: number): Promise<StudyRows> {
  const { seed, prevalence, slices = 7 } = options;
  const study = drawStudy(seed, index, prevalence, slices);
  const readings = readStudy(study);
  const { studyId, seriesId } = identityOf(seed, index);
  const folder = join(options.out, 'train_images', studyId, seriesId);
  await mkdir(folder, { recursive: true });
  const painter = new Painter(study);
  for (let slice = 0; slice < slices; slice++) {
    const bytes = encodeSlice(study, slice, painter.pixels(slice));
    await writeFile(join(folder, `${slice + 1}.dcm`), bytes);
  }
  return studyRows(study, readings);
}

/** The lines of one study. Only PHANTOM_TASK is graded; the cells of the other conditions are empty. */
export function studyRows(study: PhantomStudy, readings: readonly LevelReading[]): StudyRows {
  const { studyId, seriesId } = identityOf(study.seed, study.index);
  const { grades, levels } = PHANTOM_TASK;
  const condition = conditionOf(PHANTOM_TASK);
  const labels = RSNA_TASKS.flatMap((task) =>
    task.levels.map((_, level) =>
      task === PHANTOM_TASK ? grades[readings[level]!.reportedGrade]!.labels[0]! : '',
    ),
  );
  return {
    labels: [studyId, ...labels].join(','),
    coordinates: readings.map((reading, level) => {
      const [x, y] = toPixel(study, ...reading.point).map((value) => value.toFixed(3));
      return [studyId, seriesId, reading.slice + 1, condition, levels[level], x, y].join(',');
    }),
    series: [studyId, seriesId, SERIES_DESCRIPTION].join(','),
  };
}
