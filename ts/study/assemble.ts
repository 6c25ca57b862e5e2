/** STUDY/predictions.csv from the predictions of the complete cells, and the report of the study. */
import { existsSync } from 'node:fs';
import { basename, join } from 'node:path';
import { parseManifest } from '../data/bank.js';
import type { BankManifest } from '../data/types.js';
import { SpinegradError } from '../error.js';
import { readCalibration } from '../evaluation/calibrationFile.js';
import { readPredictions } from '../evaluation/predictionsFile.js';
import { writeFileAtomic } from '../io/atomic.js';
import { commandLine } from '../io/commandLine.js';
import { readText } from '../io/files.js';
import { noticeOf } from '../model/bundle.js';
import { gradeNamesOf } from '../tasks/task.js';
import { readArmEmbeddings } from './armEmbeddings.js';
import { formatStudyCalibration, type StudyCalibration } from './calibrationFile.js';
import { cellCurve } from './cellCurve.js';
import { type CurvePoint, formatCurves } from './curvesFile.js';
import { cropSource } from './errorCrops.js';
import { baseConfig } from './plan.js';
import { formatStudyPredictions, type StudyPrediction } from './predictionsFile.js';
import { isDone } from './results.js';
import type { Study } from './study.js';
import { studyArm } from './studyArms.js';
import type { StudySummary } from './types.js';
import { bankUnit, cellFolder } from './units.js';

/**
 * Writes predictions.csv, calibration.csv, curves.csv and the report from the cells that are complete. The order is that of the
 * plan, so the same cells give the same bytes. Cells of an older version have no calibration.csv; the report states what is
 * missing then.
 *
 * @throws SpinegradError ERR_STUDY_EMPTY if no cell is complete; of the readers of the files and `writeStudyReport`
 */
export async function reportStudy(study: Study): Promise<StudySummary> {
  const { dir, plan, cells } = study;
  const complete = cells.filter(({ id }) => isDone({ dir: cellFolder(dir, id) }));
  if (complete.length === 0) {
    throw new SpinegradError(
      'ERR_STUDY_EMPTY',
      `${dir}: found no complete cell; \`${commandLine('study', 'status', '--out', dir)}\` shows what is running`,
    );
  }
  const predictions: StudyPrediction[] = [];
  const calibration: StudyCalibration[] = [];
  const curves: CurvePoint[] = [];
  for (const cell of complete) {
    const { id, fold, repeat, labels, arm } = cell;
    const folder = cellFolder(dir, id);
    for (const line of await readPredictions(join(folder, 'predictions.csv')))
      predictions.push({ ...line, fold, repeat, labels, arm });
    const path = join(folder, 'calibration.csv');
    if (existsSync(path))
      for (const line of await readCalibration(path))
        calibration.push({ fold, repeat, labels, arm, ...line });
    curves.push(...(await cellCurve(cell, studyArm(plan, arm).arm.name, folder)));
  }
  const path = join(bankUnit(study).dir, 'manifest.json');
  const manifest = parseManifest(path, await readText(path));
  const write = (name: string, text: string) => writeFileAtomic(join(dir, name), text);
  await write('predictions.csv', formatStudyPredictions(predictions, gradeNamesOf(manifest.tasks)));
  await write('calibration.csv', formatStudyCalibration(calibration));
  await write('curves.csv', formatCurves(curves));
  const config = baseConfig(plan);
  // Loaded when it is needed, because the libraries of the figures are large.
  const { writeStudyReport } = await import('./report.js');
  return await writeStudyReport(dir, {
    name: basename(dir),
    data: dataOf(manifest),
    tasks: manifest.tasks,
    arms: plan.arms.map((name) => studyArm(plan, name)),
    cells: cells.map(({ fold, repeat, labels, arm }) => ({ fold, repeat, labels, arm })),
    resampling: { seed: config.seed, resamples: config.evaluation.resamples },
    config: { ...plan },
    embeddings: await readArmEmbeddings(dir, complete, manifest),
    cropOf: cropSource(study, manifest),
  });
}

const dataOf = (manifest: BankManifest) => ({
  name: manifest.dataset,
  layout: manifest.layout,
  series: manifest.series,
  synthetic: manifest.synthetic,
  notice: noticeOf(manifest),
});
