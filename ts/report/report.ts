import { join } from 'node:path';
import { makeFolder, writeFileAtomic } from '../io/atomic.js';
import type { Task } from '../tasks/task.js';
import { confusionPanel, curvePanels } from './figures/finetuning.js';
import { predictionPanel } from './figures/predictions.js';
import { pretrainingPanels } from './figures/pretraining.js';
import { roiPanel } from './figures/rois.js';
import { type Figures, renderPage } from './page.js';
import { figureFile, type Panel } from './svg.js';
import type { ReportInput } from './types.js';

const TITLES: Record<keyof Figures, string> = {
  rois: 'Crops of the lumbar discs',
  pretraining: 'Contrastive pretraining',
  finetuning: 'Fine-tuning and confusion',
  predictions: 'Predictions and annotations',
};

const rowsOf = (panels: Panel[]) => (panels.length > 0 ? [panels] : []);

function drawFigures(
  { summary, finetuning, roiExamples, predictionExamples }: ReportInput,
  task: Task,
): Figures {
  const curves = summary.arms.map((arm) => finetuning.find((curve) => curve.arm === arm.name)?.epochs ?? []);
  const complete = curves.every((epochs) => epochs.length > 0);
  const columns = summary.arms.map((arm, i) => [
    ...(complete ? curvePanels(task, arm, curves[i]!) : []),
    confusionPanel(task, arm),
  ]);
  return {
    rois: rowsOf(roiExamples.map((example) => roiPanel(task, example))),
    pretraining: rowsOf(
      summary.pretraining.trainLoss.length > 0 ? pretrainingPanels(summary.pretraining) : [],
    ),
    finetuning: (columns[0] ?? []).map((_, i) => columns.map((column) => column[i]!)),
    predictions: rowsOf(predictionExamples.map((example) => predictionPanel(task, example))),
  };
}

/** The page as a string. */
export function renderReport(input: ReportInput): string {
  const { task } = input.summary;
  return renderPage(input, task, drawFigures(input, task));
}

/**
 * Writes `report.html`, a page in one file, and its figures as `figures/*.svg` to the folder of the run. Creates the
 * folder if necessary and replaces each existing file atomically.
 *
 * @returns path of the page
 * @throws SpinegradError ERR_DISK_FULL, ERR_WRITE
 */
export async function writeReport(directory: string, input: ReportInput): Promise<string> {
  const { task } = input.summary;
  const figures = drawFigures(input, task);
  const page = join(directory, 'report.html');
  await makeFolder(join(directory, 'figures'));
  for (const [name, rows] of Object.entries(figures)) {
    if (rows.length === 0) continue;
    const svg = figureFile(TITLES[name as keyof Figures], rows, task);
    await writeFileAtomic(join(directory, 'figures', `${name}.svg`), svg);
  }
  await writeFileAtomic(page, renderPage(input, task, figures));
  return page;
}
