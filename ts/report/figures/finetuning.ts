/** The fine-tuning curves and the confusion matrices of the selected epoch on the test set. */
import type { ArmSummary, Summary } from '../../evaluation/types.js';
import type { GradeScale } from '../../tasks/task.js';
import { count } from '../format.js';
import { gradeClass } from '../grades.js';
import { markup } from '../markup.js';
import { abbreviate, heatmap, lineChart, PANEL_WIDTH, type Panel } from '../svg.js';
import type { FineTuningEpoch } from '../types.js';

/** Weight of the previous value in the smoothed curves. */
export const EMA_DECAY = 0.7;

/** Exponential moving average with bias correction (Kingma & Ba, ICLR 2015); null values are skipped and stay null. */
export function exponentialMovingAverage(values: readonly (number | null)[]): (number | null)[] {
  let mean = 0;
  let weight = 0;
  return values.map((value) => {
    if (value === null) return null;
    mean = EMA_DECAY * mean + (1 - EMA_DECAY) * value;
    weight = EMA_DECAY * weight + (1 - EMA_DECAY);
    return mean / weight;
  });
}

const UNIT = [0, 1] as const;

/** Balanced accuracy, recalls and training loss of one arm, per epoch. */
export function curvePanels(
  { grades }: GradeScale,
  { name, bestEpoch }: Summary['arms'][number],
  epochs: readonly FineTuningEpoch[],
): Panel[] {
  const x = epochs.map(({ epoch }) => epoch);
  const accuracy = epochs.map((epoch) => epoch.validationBalancedAccuracy);
  const best = epochs.find(({ epoch }) => epoch === bestEpoch);
  return [
    lineChart({
      title: `${name}: balanced accuracy`,
      description: best
        ? `On validation patients; ${best.validationBalancedAccuracy.toFixed(3)} at the best epoch.`
        : 'On validation patients.',
      x,
      xLabel: 'epoch',
      yDomain: UNIT,
      series: [
        { name: 'each epoch', values: accuracy, style: 'first', faint: true },
        { name: 'validation, smoothed', values: exponentialMovingAverage(accuracy), style: 'first' },
      ],
      reference: { y: 1 / grades.length, label: 'chance' },
      mark: best && { x: bestEpoch, label: `best: epoch ${bestEpoch}`, position: 'bottom' },
    }),
    lineChart({
      title: `${name}: recall per grade`,
      description: 'On validation patients, one line per grade.',
      x,
      xLabel: 'epoch',
      yDomain: UNIT,
      series: grades.flatMap((grade, index) => {
        const values = epochs.map(({ validationRecall }) => validationRecall[grade.name]!);
        const style = gradeClass(index);
        return [
          { name: grade.name, values, style, faint: true },
          { name: grade.name, values: exponentialMovingAverage(values), style },
        ];
      }),
      mark: best && { x: bestEpoch, label: '', position: 'bottom' },
    }),
    lineChart({
      title: `${name}: loss`,
      description: 'On training patients, per epoch.',
      x,
      xLabel: 'epoch',
      series: [{ name: 'training', values: epochs.map((epoch) => epoch.trainLoss), style: 'first' }],
      mark: best && { x: bestEpoch, label: '', position: 'bottom' },
    }),
  ];
}

const CELL = 43;
const GUTTER = 62;
const TOP = 20;
const BOTTOM = 30;
/** Characters of a grade's name that fit on a row and on a column of a matrix. */
const ROW_LENGTH = 9;
const COLUMN_LENGTH = 6;

/** Confusion matrices of one arm on the test set for predicted and annotated crops: side by side if they fit. */
export function confusionPanel({ grades }: GradeScale, { name, annotated, predicted }: ArmSummary): Panel {
  const cell = Math.min(CELL, Math.floor((PANEL_WIDTH - GUTTER) / grades.length));
  const side = grades.length * cell;
  const sideBySide = GUTTER + 2 * side <= PANEL_WIDTH;
  const discs = predicted.confusion.flat().reduce((sum, n) => sum + n, 0);
  const names = grades.map((grade) => grade.name);
  const rowLabels = markup`${names.map((grade, i) => markup`<text class="tick end" x="-8" y="${(i + 0.5) * cell + 3}">${abbreviate(grade, ROW_LENGTH)}</text>`)}
<text class="note end" x="-8" y="-7">truth</text>`;
  const columnLabels = names.map((grade) => abbreviate(grade, COLUMN_LENGTH));
  const matrix = (
    left: number,
    top: number,
    label: string,
    counts: number[][],
  ) => markup`<g transform="translate(${left} ${top})">
<text class="note" x="0" y="-7">${label}</text>${left === GUTTER && rowLabels}${heatmap(counts, columnLabels, cell)}</g>`;
  const x = sideBySide ? PANEL_WIDTH - side : GUTTER;
  const y = sideBySide ? TOP : TOP + side + BOTTOM + TOP;
  const bottom = y + side;
  return {
    title: `${name}: confusion, ${count(discs, 'test disc')}`,
    description: `Rows are truth, columns prediction; predicted crops: ${predicted.confusion.map((row) => row.join(' ')).join('; ')}.`,
    height: bottom + BOTTOM,
    body: markup`${matrix(GUTTER, TOP, 'predicted', predicted.confusion)}
${matrix(x, y, 'annotated', annotated.confusion)}
<text class="note middle" x="${(GUTTER + PANEL_WIDTH) / 2}" y="${bottom + 28}">prediction</text>`,
  };
}
