/** Writes the results of a study. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { makeFolder, writeFileAtomic } from '../io/atomic.js';
import { figureFile } from '../report/svg.js';
import { snakeCase } from '../tasks/task.js';
import { readStudyCalibration } from './calibrationFile.js';
import { readCurves } from './curvesFile.js';
import { claimChecklist } from './documents/claim.js';
import { modelCard } from './documents/modelCard.js';
import { rsnaSubmission } from './documents/submission.js';
import { tripodChecklist } from './documents/tripod.js';
import { readGroups } from './groupsFile.js';
import { armScale, renderStudyPage } from './page/page.js';
import { drawTask, type TaskFigures } from './page/taskSection.js';
import { readStudyPredictions, type StudyPrediction } from './predictionsFile.js';
import { primaryBlock } from './primary.js';
import { type StudyFacts, summariseStudy } from './summarise.js';
import type { StudySummary, StudyTask } from './types.js';
import { worstErrors } from './worstErrors.js';

export interface StudyReportInput extends StudyFacts {
  /** All settings of the study, printed without change. */
  config: Record<string, unknown>;
}

/** Rows of the table of the largest errors. */
const ERRORS = 12;

const TITLES: Record<keyof TaskFigures, string> = {
  arms: 'Arms and their differences',
  labels: 'Label efficiency',
  confusion: 'Confusion',
  reliability: 'Reliability',
};

/**
 * Computes the results of a study from `predictions.csv` in its folder and writes `summary.json`, `report.html`,
 * `figures/*.svg`, `MODEL_CARD.md`, `CLAIM.md`, `TRIPOD+AI.md` and, if all five conditions of the RSNA layout are graded,
 * `submission-ARM.csv` for each arm. Without `groups` it reads
 * `groups.csv`, if there is one, and also `calibration.csv` and `curves.csv`. A study with missing cells is reported from those that it has.
 *
 * @param directory folder of the study
 * @throws SpinegradError of `readStudyPredictions`, `readGroups`, `summariseStudy` and `writeFileAtomic`
 *
 * @example
 * const { plan, tasks } = await writeStudyReport('study', { name: 'SPIDER', data, tasks, arms, cells, config });
 */
export async function writeStudyReport(directory: string, input: StudyReportInput): Promise<StudySummary> {
  const lines = await readStudyPredictions(join(directory, 'predictions.csv'));
  const ifPresent = async <T>(name: string, read: (path: string) => Promise<T>): Promise<T | undefined> => {
    const path = join(directory, name);
    return existsSync(path) ? await read(path) : undefined;
  };
  const groups = input.groups ?? (await ifPresent('groups.csv', readGroups));
  const calibration = (await ifPresent('calibration.csv', readStudyCalibration)) ?? [];
  const curves = (await ifPresent('curves.csv', readCurves)) ?? [];
  const summary = summariseStudy(lines, { ...input, ...(groups && { groups }), calibration, curves });
  const write = (name: string, text: string) => writeFileAtomic(join(directory, name), text);
  const arms = summary.plan.arms.map(({ name }) => name);
  const figures = summary.tasks.map((result) => drawTask(result, arms));
  const errors = summary.tasks.map((result) => errorsOf(result, lines));
  await write('summary.json', `${JSON.stringify(summary, null, 2)}\n`);
  await write('report.html', renderStudyPage({ summary, figures, errors, config: input.config }));
  await makeFolder(join(directory, 'figures'));
  const scale = armScale(summary.plan.arms);
  for (const [i, { task }] of summary.tasks.entries()) {
    for (const [name, panels] of Object.entries(figures[i]!) as [keyof TaskFigures, TaskFigures['arms']][]) {
      if (panels.length === 0) continue;
      await write(
        join('figures', `${snakeCase(task.id)}-${name}.svg`),
        figureFile(TITLES[name], [panels], scale),
      );
    }
  }
  await write('MODEL_CARD.md', modelCard(summary));
  await write('CLAIM.md', claimChecklist(summary));
  await write('TRIPOD+AI.md', tripodChecklist(summary));
  for (const [arm, own] of rsnaLines(summary, lines)) {
    await write(`submission-${snakeCase(arm)}.csv`, rsnaSubmission(own));
  }
  return summary;
}

/** The lines of each arm at the largest label fraction; none unless the study has an RSNA score. */
function rsnaLines({ rsna }: StudySummary, lines: readonly StudyPrediction[]) {
  if (rsna === null) return [];
  const largest = Math.max(...rsna.map(({ labels }) => labels));
  const { labels, crops, arms } = rsna.find((block) => block.labels === largest)!;
  const of = (name: string) =>
    lines.filter((line) => line.arm === name && line.labels === labels && line.crops === crops);
  return arms.map(({ name }) => [name, of(name)] as const);
}

/** The largest errors of the last arm in the results of the headlines. */
function errorsOf(result: StudyTask, lines: readonly StudyPrediction[]) {
  const { labels, crops, arms } = primaryBlock(result);
  const arm = arms.at(-1)!.name;
  const own = lines.filter(
    (line) =>
      line.task === result.task.id && line.labels === labels && line.crops === crops && line.arm === arm,
  );
  return worstErrors(own, result.task.ordered, ERRORS);
}
