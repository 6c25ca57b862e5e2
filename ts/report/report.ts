import { join } from 'node:path';
import type { TaskSummary } from '../evaluation/types.js';
import { makeSubfolder, writeFileAtomic } from '../io/atomic.js';
import { snakeCase } from '../tasks/task.js';
import { confusionPanel, curvePanels } from './figures/finetuning.js';
import { ERRORS_PER_PANEL, gradingErrorsPanel } from './figures/gradingErrors.js';
import { localizationPanel } from './figures/localization.js';
import { predictionPanel } from './figures/predictions.js';
import { pretrainingPanels } from './figures/pretraining.js';
import { roiPanel } from './figures/rois.js';
import { saliencyPanel } from './figures/saliency.js';
import { type Figures, renderPage } from './page.js';
import { figureFile, type Panel } from './svg.js';
import type { TaskPanels } from './taskSection.js';
import type { ReportInput, TaskFigures } from './types.js';

const TITLES: Record<keyof Figures['run'] | keyof TaskPanels, string> = {
  rois: 'Crops of the lumbar discs',
  pretraining: 'Contrastive pretraining',
  localization: 'Largest errors of the localizer',
  finetuning: 'Fine-tuning and confusion',
  predictions: 'Predictions and annotations',
  errors: 'Largest grading errors',
  saliency: 'Saliency of predicted grades',
};

const rowsOf = (panels: Panel[]) => (panels.length > 0 ? [panels] : []);

function drawTask(
  { summary }: ReportInput,
  { task, arms }: TaskSummary,
  { curves, roiExamples, predictionExamples, gradingErrors, saliency }: TaskFigures,
): TaskPanels {
  const epochs = arms.map(({ name }) => curves.find(({ arm }) => arm === name)?.epochs ?? []);
  const complete = epochs.every((rows) => rows.length > 0);
  const columns = arms.map((arm, i) => [
    ...(complete ? curvePanels(task, summary.arms[i]!, epochs[i]!) : []),
    confusionPanel(task, arm),
  ]);
  const starts = gradingErrors.flatMap((_, i) => (i % ERRORS_PER_PANEL === 0 ? [i] : []));
  const errors = starts.map((start) => {
    const shown = gradingErrors.slice(start, start + ERRORS_PER_PANEL);
    return gradingErrorsPanel(task, `Errors ${start + 1} to ${start + shown.length}`, shown);
  });
  return {
    finetuning: (columns[0] ?? []).map((_, i) => columns.map((column) => column[i]!)),
    rois: rowsOf(roiExamples.map((example) => roiPanel(task, example))),
    predictions: rowsOf(predictionExamples.map((example) => predictionPanel(task, example))),
    errors: rowsOf(errors),
    saliency: rowsOf(
      (['right', 'wrong'] as const)
        .filter((which) => saliency[which].length > 0)
        .map((which) => saliencyPanel(task, `Graded ${which}`, saliency[which])),
    ),
  };
}

function drawFigures(input: ReportInput): Figures {
  const { summary, localizationExamples } = input;
  return {
    run: {
      pretraining: summary.pretraining.trainLoss.length > 0 ? pretrainingPanels(summary.pretraining) : [],
      localization: rowsOf(localizationExamples.map(localizationPanel)),
    },
    tasks: summary.tasks.map((result, i) => drawTask(input, result, input.tasks[i]!)),
  };
}

/** The page as a string. */
export const renderReport = (input: ReportInput): string => renderPage(input, drawFigures(input));

/**
 * Writes `report.html`, a page in one file, and its figures as `figures/*.svg` to the folder of the run; the figures of a
 * task have its id in their name. Replaces each existing file atomically.
 *
 * @returns path of the page
 * @throws SpinegradError ERR_FOLDER_DELETED without the folder; ERR_DISK_FULL, ERR_WRITE
 */
export async function writeReport(directory: string, input: ReportInput): Promise<string> {
  const figures = drawFigures(input);
  const page = join(directory, 'report.html');
  await makeSubfolder(directory, 'figures');
  const save = async (
    name: keyof typeof TITLES,
    file: string,
    rows: Panel[][],
    task?: TaskSummary['task'],
  ) => {
    if (rows.length === 0) return;
    const svg = figureFile(TITLES[name], rows, task);
    await writeFileAtomic(join(directory, 'figures', `${file}.svg`), svg);
  };
  for (const name of ['pretraining', 'localization'] as const)
    await save(name, name, figures.run[name], input.summary.tasks[0]?.task);
  for (const [i, { task }] of input.summary.tasks.entries()) {
    for (const name of ['rois', 'finetuning', 'predictions', 'errors', 'saliency'] as const)
      await save(name, `${snakeCase(task.id)}-${name}`, figures.tasks[i]![name], task);
  }
  await writeFileAtomic(page, renderPage(input, figures));
  return page;
}
