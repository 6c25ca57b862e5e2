import { join } from 'node:path';
import { makeFolder, writeFileAtomic } from '../io/atomic.js';
import { confusionPanel, curvePanels } from './figures/finetuning.js';
import { predictionPanel } from './figures/predictions.js';
import { pretrainingPanels } from './figures/pretraining.js';
import { roiPanel } from './figures/rois.js';
import { renderPage } from './page.js';
import { figureFile, type Panel } from './svg.js';
import type { ReportInput } from './types.js';

/** The panels of the four figures, by rows as in the files of `figures/`. */
export type Figures = Record<'rois' | 'pretraining' | 'finetuning' | 'predictions', Panel[][]>;

const TITLES: Record<keyof Figures, string> = {
  rois: 'Crops of the five lumbar discs',
  pretraining: 'Contrastive pretraining',
  finetuning: 'Fine-tuning and confusion',
  predictions: 'Prediction against truth',
};

const rowsOf = (panels: Panel[]) => (panels.length > 0 ? [panels] : []);

function drawFigures({ summary, finetuning, roiExamples, predictionExamples }: ReportInput): Figures {
  const curves = summary.arms.map((arm) => finetuning.find((curve) => curve.arm === arm.name)?.epochs ?? []);
  const complete = curves.every((epochs) => epochs.length > 0);
  const columns = summary.arms.map((arm, i) => [
    ...(complete ? curvePanels(arm, curves[i]!) : []),
    confusionPanel(arm),
  ]);
  return {
    rois: rowsOf(roiExamples.map(roiPanel)),
    pretraining: rowsOf(
      summary.pretraining.trainLoss.length > 0 ? pretrainingPanels(summary.pretraining) : [],
    ),
    finetuning: (columns[0] ?? []).map((_, i) => columns.map((column) => column[i]!)),
    predictions: rowsOf(predictionExamples.map(predictionPanel)),
  };
}

/** The page alone, as `writeReport` writes it. */
export function renderReport(input: ReportInput): string {
  return renderPage(input, drawFigures(input));
}

/**
 * Writes `report.html`, a page in one file, and its figures once more as `figures/*.svg`, into the folder of the run
 * (made if it is missing; earlier files are replaced, each as a whole).
 *
 * @returns path of the page
 * @throws SpinegradError ERR_DISK_FULL, ERR_WRITE
 */
export async function writeReport(directory: string, input: ReportInput): Promise<string> {
  const figures = drawFigures(input);
  const page = join(directory, 'report.html');
  await makeFolder(join(directory, 'figures'));
  for (const [name, rows] of Object.entries(figures)) {
    if (rows.length === 0) continue;
    const svg = figureFile(TITLES[name as keyof Figures], rows);
    await writeFileAtomic(join(directory, 'figures', `${name}.svg`), svg);
  }
  await writeFileAtomic(page, renderPage(input, figures));
  return page;
}
