/** Writes the results of a study. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { makeFolder, writeFileAtomic } from '../io/atomic.js';
import { figureFile, type Panel } from '../report/svg.js';
import { snakeCase } from '../tasks/task.js';
import { readStudyCalibration } from './calibrationFile.js';
import { readCurves } from './curvesFile.js';
import { claimChecklist } from './documents/claim.js';
import { modelCard } from './documents/modelCard.js';
import { rsnaSubmission } from './documents/submission.js';
import { tripodChecklist } from './documents/tripod.js';
import { embeddingMaps, scannerScale } from './embeddingMaps.js';
import type { CropSource } from './errorCrops.js';
import { readGroups } from './groupsFile.js';
import type { ShownError } from './page/gallery.js';
import { armScale, drawStudy, type StudyFigure } from './page/overall.js';
import { renderStudyPage } from './page/page.js';
import { drawTask, type TaskFigures } from './page/taskSection.js';
import { readStudyPredictions, type StudyPrediction } from './predictionsFile.js';
import { primaryBlock } from './primary.js';
import { type StudyFacts, summariseStudy } from './summarise.js';
import type { StudySummary, StudyTask } from './types.js';
import { worstErrors } from './worstErrors.js';

export interface StudyReportInput extends StudyFacts {
  /** All settings of the study, printed without change. */
  config: Record<string, unknown>;
  /** Finds the crops of the largest errors; without it there are none. */
  cropOf?: CropSource;
}

/** Rows of the table of the largest errors. */
const ERRORS = 12;

const TITLES: Record<keyof TaskFigures, string> = {
  arms: 'Arms and their differences',
  labels: 'Label efficiency',
  confusion: 'Confusion',
  reliability: 'Reliability',
  errors: 'Largest errors',
};

/**
 * Computes the results of a study from `predictions.csv` in its folder and writes `summary.json`, `report.html`,
 * `figures/*.svg`, `MODEL_CARD.md`, `CLAIM.md`, `TRIPOD+AI.md` and, if all five conditions of the RSNA layout are graded,
 * `submission-ARM.csv` for each arm. It also reads `calibration.csv`, `curves.csv` and, without `groups`, `groups.csv`, if
 * they exist. A study with missing cells is reported from those that it has.
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
  const errors: ShownError[][] = [];
  for (const result of summary.tasks) errors.push(await shownErrors(result, lines, input.cropOf));
  const figures = summary.tasks.map((result, i) => drawTask(result, arms, errors[i]!));
  const maps = embeddingMaps(input.embeddings ?? [], summary.resampling.seed);
  const scanners = scannerScale(maps, groups ?? new Map());
  const studyFigures = drawStudy(summary, { maps, scanners });
  const { config } = input;
  await write('summary.json', `${JSON.stringify(summary, null, 2)}\n`);
  await write('report.html', renderStudyPage({ summary, figures, errors, studyFigures, config }));
  await makeFolder(join(directory, 'figures'));
  const draw = async (name: string, { title, panels, scale }: StudyFigure) => {
    if (panels.length > 0) await write(join('figures', `${name}.svg`), figureFile(title, [panels], scale));
  };
  for (const [i, { task }] of summary.tasks.entries()) {
    for (const [name, panels] of Object.entries(figures[i]!) as [keyof TaskFigures, Panel[]][]) {
      const scale = name === 'errors' ? task : armScale(summary.plan.arms);
      await draw(`${snakeCase(task.id)}-${name}`, { title: TITLES[name], panels, scale });
    }
  }
  for (const [name, figure] of Object.entries(studyFigures)) await draw(name, figure);
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

/** The largest errors of the last arm in the results of the headlines, with their crops. */
async function shownErrors(
  result: StudyTask,
  lines: readonly StudyPrediction[],
  cropOf: CropSource = async () => null,
): Promise<ShownError[]> {
  const { labels, crops, arms } = primaryBlock(result);
  const arm = arms.at(-1)!.name;
  const { id, ordered } = result.task;
  const own = lines.filter(
    (line) => line.task === id && line.labels === labels && line.crops === crops && line.arm === arm,
  );
  const shown: ShownError[] = [];
  for (const error of worstErrors(own, ordered, ERRORS)) {
    shown.push({ ...error, crop: await cropOf(id, error) });
  }
  return shown;
}
