/** The section of one task: results on the test set, confusion, and the discs that were graded worst. */
import { CALIBRATION_BINS } from '../evaluation/calibration.js';
import type { TaskSummary } from '../evaluation/types.js';
import type { Task } from '../tasks/task.js';
import type { Figure } from './document.js';
import { EMA_DECAY } from './figures/finetuning.js';
import { count, decimal, kOfN, percent, percentRange, pValue, range, signed } from './format.js';
import { chance, extremeError, missingGrades, symbolLegend } from './grades.js';
import { type Content, type Markup, markup } from './markup.js';
import type { Published } from './published.js';
import { scaleClass } from './style.js';
import type { Panel } from './svg.js';
import { armsTable, comparisonsTable, furtherMetricsTable, levelsTable } from './tables/task.js';
import { trustCaption, trustTable } from './tables/trust.js';

/** The panels of a task, by rows as in the files of `figures/`. */
export type TaskPanels = Record<'rois' | 'finetuning' | 'predictions' | 'errors' | 'saliency', Panel[][]>;

export function tile(label: string, value: string, detail: Content): Markup {
  return markup`<div><dt>${label}</dt><dd class="value">${value}</dd><dd class="detail">${detail}</dd></div>`;
}

/** The headline numbers of a task: those of the last arm on predicted crops, and its difference from the first arm. */
export function taskTiles({ task, arms, comparisons }: TaskSummary): Markup[] {
  const [first, last] = [arms[0]!, arms.at(-1)!];
  const { balancedAccuracy, mostSevereAsMildest: extreme } = last.predicted;
  const comparison = comparisons.predicted.find(({ a, b }) => a === last.name && b === first.name);
  return [
    tile(`balanced accuracy, ${last.name}`, decimal(balancedAccuracy.value), [
      `95 %: ${range(balancedAccuracy)}; chance ${decimal(chance(task, last.predicted), 2)}; annotated crops: ${decimal(last.annotated.balancedAccuracy.value)}`,
    ]),
    ...(extreme
      ? [
          tile(`${extremeError(task)}, ${last.name}`, kOfN(extreme), [
            `${percent(extreme.rate)}; 95 %: ${percentRange(extreme)}; annotated crops: ${kOfN(last.annotated.mostSevereAsMildest!)}`,
          ]),
        ]
      : []),
    ...(comparison
      ? [
          tile(
            `balanced accuracy, ${comparison.a} − ${comparison.b}`,
            signed(comparison.difference.value),
            `95 %: ${range(comparison.difference, 2, signed)}${comparison.p === null ? '' : `; ${pValue(comparison.p)}`}`,
          ),
        ]
      : []),
  ];
}

/** How kappa, AUROC and AUPRC are defined for the task's grades. */
function agreementCaption({ grades, ordered }: Task): string {
  const weights = grades.map(({ weight }) => weight).join(', ');
  const definitions = ordered
    ? `κ: Cohen's kappa with quadratic weights. AUROC and AUPRC: ${grades.at(-1)!.name} versus the other grades; chance is
0.5 and the fraction of discs graded ${grades.at(-1)!.name}.`
    : "κ: Cohen's kappa. AUROC and AUPRC: mean over the grades, each versus the others; the chance of AUROC is 0.5.";
  return `${definitions} Calibration error: expected calibration error over ${CALIBRATION_BINS} bins of the largest
probability. Log loss: discs are weighted by grade (${weights}).`;
}

/** How points are shown that are not on the slice of a figure. */
export const otherSlice = ({ side, series }: Task): string =>
  side === null && series[0]!.plane === 'sagittal'
    ? ''
    : `The task is graded on ${series[0]!.name}${side === null ? '' : `, ${side} side`}; its points are projected on this slice. `;

export interface TaskSectionInput {
  result: TaskSummary;
  /** Position on the page. */
  index: number;
  /** Whether the page has no other task; the details are then open. */
  only: boolean;
  panels: TaskPanels;
  published: Published | null;
  /** How the published results relate to the run. */
  comparability: string;
}

export const taskAnchor = (index: number) => `task-${index + 1}`;

export function taskSection(
  { result, index, only, panels, published, comparability }: TaskSectionInput,
  figure: Figure,
): Markup {
  const { task, arms } = result;
  const names = task.grades.map(({ name }) => name).join(', ');
  const missing = missingGrades(task, arms[0]!.predicted);
  const legend = symbolLegend(task);
  const last = arms.at(-1)!;
  const trust = trustTable(result);
  return markup`<section id="${taskAnchor(index)}" class="${scaleClass(index)}">
<h2>${task.title[0]!.toUpperCase()}${task.title.slice(1)}</h2>
<p class="small">${task.ordered ? 'Ordered' : 'Nominal'} grades: ${names}.
${count(last.predicted.patients, 'test patient')}. Task <code>${task.id}</code>.</p>
${!only && markup`<dl class="tiles">${taskTiles(result)}</dl>`}
${missing && markup`<p class="caption"><strong>${missing}</strong></p>`}
${armsTable(result, published)}
${
  published &&
  markup`<p class="caption">Rows in italics are published results (${published.citation}). ${comparability} ${published.remark}</p>`
}
${result.comparisons.predicted.length > 0 && markup`<h3>Differences between arms</h3>${comparisonsTable(result)}`}
<details ${only && OPEN}><summary>Agreement, ranking, calibration and levels</summary>
${furtherMetricsTable(result)}
<p class="caption">${agreementCaption(task)}</p>
${trust && markup`<h3>Calibration, sets and novelty</h3>${trust}<p class="caption">${trustCaption(result)}</p>`}
<h3>${last.name} by level, predicted crops</h3>${levelsTable(result)}</details>
<h3>Confusion and training</h3>
${figure(
  panels.finetuning[0]
    ? panels.finetuning[0].flatMap((_, column) => panels.finetuning.map((row) => row[column]!))
    : [],
  `Confusion matrices of each arm on the test patients, for predicted and annotated crops, as numbers of discs and as fractions of each row${
    panels.finetuning.length > 1
      ? `. Above: fine-tuning,
measured on validation patients: each epoch (thin lines) and its exponential moving average with decay ${EMA_DECAY} (thick lines).
The dashed line marks the selected epoch`
      : ''
  }.`,
  panels.finetuning.length > 1 ? 'by-arm' : '',
)}
<h3>Largest errors</h3>
${figure(
  panels.errors.flat(),
  `Test discs that ${last.name} graded wrong on the crop around the localizer's centre: the largest differences from the readers'
grade first, then the smallest probabilities of it. Upper symbol: readers. Lower symbol: model, with its probability. ${legend}`,
)}
<details ${only && OPEN}><summary>Saliency</summary>
${figure(
  panels.saliency.flat(),
  `Where the grade of ${last.name} comes from, on crops around the localizer's centre: for each predicted grade the disc with the largest
probability that was graded right, and the one that was graded wrong. Grad-CAM and the absolute gradient of the probability with
respect to each pixel, each divided by its maximum. Left symbol: readers. Right symbol: model. The maps show what the network is
sensitive to, not whether it is right.`,
)}</details>
<details ${only && OPEN}><summary>Predictions on test series</summary>
${figure(
  panels.predictions.flat(),
  `Test series with the highest grades. Ring: disc centre and grade of the readers. Cross: disc centre of the localizer and
grade of ${last.name} on the crop around it. The bar shows the probabilities of ${names}; the number is the probability of the
predicted grade. ≠ marks a disagreement. ${otherSlice(task)}${legend}`,
)}</details></section>`;
}

const OPEN = markup`open=""`;
