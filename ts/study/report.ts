/** Writes the results of a study. */
import { join } from 'node:path';
import { writeFileAtomic } from '../io/atomic.js';
import { readStudyPredictions } from './predictionsFile.js';
import { type StudyFacts, summariseStudy } from './summarise.js';
import type { StudySummary } from './types.js';

export interface StudyReportInput extends StudyFacts {
  /** All settings of the study, printed without change. */
  config: Record<string, unknown>;
}

/**
 * Computes the results of a study from `predictions.csv` in its folder and writes `summary.json`. A study with missing cells
 * is reported from those that it has.
 *
 * @param directory folder of the study
 * @throws SpinegradError of `readStudyPredictions`, `summariseStudy` and `writeFileAtomic`
 *
 * @example
 * const { plan, tasks } = await writeStudyReport('study', { name: 'SPIDER', data, tasks, arms, cells, config });
 */
export async function writeStudyReport(directory: string, input: StudyReportInput): Promise<StudySummary> {
  const lines = await readStudyPredictions(join(directory, 'predictions.csv'));
  const summary = summariseStudy(lines, input);
  await writeFileAtomic(join(directory, 'summary.json'), `${JSON.stringify(summary, null, 2)}\n`);
  return summary;
}
