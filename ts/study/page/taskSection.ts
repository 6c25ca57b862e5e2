/** The section of one task. */
import { CALIBRATION_BINS } from '../../evaluation/calibration.js';
import type { Figure } from '../../report/document.js';
import { decimal, percent, percentRange, pValue, range, signed } from '../../report/format.js';
import { extremeError, gradeClass } from '../../report/grades.js';
import { type Markup, markup } from '../../report/markup.js';
import { scaleClass } from '../../report/style.js';
import type { Panel } from '../../report/svg.js';
import { tile } from '../../report/taskSection.js';
import type { Task } from '../../tasks/task.js';
import type { ArmResult } from '../armResult.js';
import { mainComparison, powerStatement, primaryBlock } from '../primary.js';
import type { Block, StudyTask } from '../types.js';
import { ENSEMBLE_CAPTION, ensembleTable } from './ensembleTable.js';
import {
  armsPanel,
  boundsOf,
  confusionPanel,
  differencesPanel,
  efficiencyPanel,
  reliabilityPanel,
} from './figures.js';
import { galleryPanels, gallerySection, type ShownError } from './gallery.js';
import { armsTable, differencesTable, furtherTable, groupsTable, levelsTable, meanCount } from './tables.js';
import { hasTrust, setsTable, temperatureTable, trustCaption } from './trustTables.js';

/** The figures of a task, by the name of their file. */
export type TaskFigures = Record<'arms' | 'labels' | 'confusion' | 'reliability' | 'errors', Panel[]>;

const metric = (name: keyof ArmResult['metrics']) => (arm: ArmResult) => arm.metrics[name];

/** The results on the crops of the headlines. */
const shownBlocks = ({ blocks }: StudyTask): Block[] => {
  const { crops } = primaryBlock({ blocks });
  return blocks.filter((block) => block.crops === crops);
};

/** @param arms all arms of the plan: their order gives the colours */
export function drawTask(
  result: StudyTask,
  arms: readonly string[],
  errors: readonly ShownError[],
): TaskFigures {
  const { task } = result;
  const blocks = shownBlocks(result);
  const primary = primaryBlock(result);
  const extreme = extremeError(task);
  const kappa = task.ordered ? 'Quadratic κ' : 'κ';
  return {
    arms: [
      armsPanel('Balanced accuracy', blocks, arms, metric('balancedAccuracy')),
      ...(blocks.some(({ comparisons }) => comparisons.length > 0)
        ? [differencesPanel('Difference in balanced accuracy', blocks, arms, 'balancedAccuracy')]
        : []),
      extreme
        ? armsPanel(`Fraction of ${extreme}`, blocks, arms, metric('mostSevereAsMildest'))
        : armsPanel(kappa, blocks, arms, metric('kappa')),
    ],
    labels:
      blocks.length < 2
        ? []
        : [
            efficiencyPanel('Balanced accuracy', blocks, arms, metric('balancedAccuracy')),
            efficiencyPanel(kappa, blocks, arms, metric('kappa')),
            efficiencyPanel('Log loss', blocks, arms, metric('weightedLogLoss')),
          ],
    confusion: primary.arms.map((arm) => confusionPanel(task, arm)),
    reliability: primary.arms.map((arm) => reliabilityPanel(arm, gradeClass(arms.indexOf(arm.name)))),
    errors: galleryPanels(task, errors),
  };
}

/** The headline numbers: those of the last arm at the largest label fraction, and its difference from the first. */
export function taskTiles(result: StudyTask): Markup[] {
  const primary = primaryBlock(result);
  const arm = primary.arms.at(-1)!;
  const { balancedAccuracy, mostSevereAsMildest } = arm.metrics;
  const comparison = mainComparison(primary);
  const difference = comparison?.metrics.balancedAccuracy;
  return [
    tile(
      `balanced accuracy, ${arm.name}`,
      decimal(balancedAccuracy.value),
      `95 %: ${range(boundsOf(balancedAccuracy))}; ${percent(primary.labels, 0)} of the labels, ${primary.crops} crops`,
    ),
    ...(arm.mostSevereAsMildest
      ? [
          tile(
            `${extremeError(result.task)}, ${arm.name}`,
            `${meanCount(arm.mostSevereAsMildest.k)} of ${meanCount(arm.mostSevereAsMildest.n)}`,
            `${percent(mostSevereAsMildest.value)}; 95 %: ${percentRange(mostSevereAsMildest)}`,
          ),
        ]
      : []),
    ...(comparison && difference && difference.value !== null
      ? [
          tile(
            `balanced accuracy, ${comparison.a} − ${comparison.b}`,
            signed(difference.value),
            `95 %: ${range(boundsOf(difference), 3, signed)}${difference.pHolm === null ? '' : `; ${pValue(difference.pHolm)} after Holm`}`,
          ),
        ]
      : []),
  ];
}

function furtherCaption({ grades, ordered }: Task): string {
  const last = grades.at(-1)!.name;
  const agreement = ordered
    ? `κ: Cohen's kappa with quadratic weights. AUROC and AUPRC: ${last} versus the other grades.`
    : "κ: Cohen's kappa. AUROC and AUPRC: mean over the grades, each versus the others.";
  const weights = grades.map(({ weight }) => weight).join(', ');
  return `${agreement} Calibration error: ${CALIBRATION_BINS} bins of the largest probability. Log loss: discs are weighted by grade (${weights}).`;
}

export interface TaskSectionInput {
  result: StudyTask;
  anchor: string;
  figures: TaskFigures;
  errors: readonly ShownError[];
  /** Class of the colours of the grades. */
  gradeColours: string;
}

export function taskSection(
  { result, anchor, figures, errors, gradeColours }: TaskSectionInput,
  figure: Figure,
): Markup {
  const { task, groups } = result;
  const primary = primaryBlock(result);
  const { crops } = primary;
  const shown = shownBlocks(result);
  const others = result.blocks.filter((block) => block.crops !== crops);
  const last = primary.arms.at(-1)!;
  const compared = shown.some(({ comparisons }) => comparisons.length > 0);
  const power = powerStatement(primary);
  const colours = scaleClass(0);
  const ensembles = ensembleTable(task, shown);
  return markup`<section id="${anchor}">
<h2>${task.title[0]!.toUpperCase()}${task.title.slice(1)}</h2>
<p class="small">${task.ordered ? 'Ordered' : 'Nominal'} grades: ${task.grades.map(({ name }) => name).join(', ')}. Task <code>${task.id}</code>.</p>
<dl class="tiles">${taskTiles(result)}</dl>
<h3>Arms, ${crops} crops</h3>${armsTable(`Arms, ${crops} crops`, task, shown)}
<p class="caption">Means over the repeats. SD of repeats: standard deviation of balanced accuracy over the repeats, which have
other training seeds.</p>
${figure(figures.arms, `Arms and their differences at each label fraction, ${crops} crops, with 95 % intervals.`, colours)}
${compared && markup`<h3>Differences between arms</h3>${differencesTable(task, shown)}${power && markup`<p class="caption">${power}</p>`}`}
${
  figures.labels.length > 0 &&
  markup`<h3>Label efficiency</h3>${figure(
    figures.labels,
    'Metrics by the fraction of the training and validation patients whose grades were used. Bars: 95 % intervals.',
    colours,
  )}`
}
<h3>Confusion and calibration</h3>
${figure(figures.confusion, `Confusion matrices at ${percent(primary.labels, 0)} of the labels, ${crops} crops: mean numbers of discs, and fractions of each row.`)}
${figure(
  figures.reliability,
  `Reliability at ${percent(primary.labels, 0)} of the labels, ${crops} crops. Dots: accuracy of the predictions of a bin over
their mean confidence; the dotted line is perfect calibration. Below: predictions per bin, over all repeats.`,
  colours,
)}
${
  hasTrust(shown) &&
  markup`<h3>Temperature and conformal sets</h3>${setsTable(task, shown)}${temperatureTable(shown)}${trustCaption(shown)}`
}
${ensembles && markup`<h3>Ensembles of the repeats</h3>${ensembles}<p class="caption">${ENSEMBLE_CAPTION}</p>`}
${groups && markup`<h3>Scanners and field strengths</h3>${groupsTable(task, groups)}`}
<h3>Largest errors of ${last.name}</h3>
${errors.length > 0 ? gallerySection(task, figures.errors, errors, figure, gradeColours) : markup`<p class="small">No disc is graded wrong.</p>`}
<details><summary>Agreement, ranking, calibration and levels</summary>${furtherTable(task, shown)}
<p class="caption">${furtherCaption(task)}</p>
<h3>${last.name} by level, ${percent(primary.labels, 0)} of the labels</h3>${levelsTable(task, last)}</details>
${
  others.length > 0 &&
  markup`<details><summary>Arms, ${others[0]!.crops} crops</summary>${armsTable(`Arms, ${others[0]!.crops} crops`, task, others)}
${others.some(({ comparisons }) => comparisons.length > 0) && differencesTable(task, others)}</details>`
}</section>`;
}
