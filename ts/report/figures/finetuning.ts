import { GRADES } from '../../anatomy.js';
import type { ArmSummary } from '../../evaluation/types.js';
import { markup } from '../markup.js';
import { heatmap, lineChart, PANEL_WIDTH, type Panel } from '../svg.js';
import type { FineTuningEpoch } from '../types.js';

/** Figure 3: the course of the fine-tuning, and what the selected epoch does on the test set. */

/** Weight of the past in the smoothed curves. */
export const EMA_DECAY = 0.7;

/** Exponential moving average, corrected for its start at zero (Kingma & Ba, 2015); gaps stay gaps. */
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

/** Balanced accuracy, recalls and training loss of one arm, by epoch. */
export function curvePanels({ name, bestEpoch }: ArmSummary, epochs: readonly FineTuningEpoch[]): Panel[] {
  const x = epochs.map(({ epoch }) => epoch);
  const accuracy = epochs.map((epoch) => epoch.validationBalancedAccuracy);
  const best = epochs.find(({ epoch }) => epoch === bestEpoch);
  return [
    lineChart({
      title: `${name}: balanced accuracy`,
      description: best
        ? `On validation; at the best epoch ${best.validationBalancedAccuracy.toFixed(3)}.`
        : 'On validation.',
      x,
      xLabel: 'epoch',
      yDomain: UNIT,
      series: [
        { name: 'each epoch', values: accuracy, style: 'first', faint: true },
        { name: 'validation, smoothed', values: exponentialMovingAverage(accuracy), style: 'first' },
      ],
      reference: { y: 1 / GRADES.length, label: 'chance' },
      mark: best && { x: bestEpoch, label: `best: epoch ${bestEpoch}`, at: 'bottom' },
    }),
    lineChart({
      title: `${name}: recall per grade`,
      description: 'On validation, for each of the three grades.',
      x,
      xLabel: 'epoch',
      yDomain: UNIT,
      series: GRADES.flatMap((grade) => {
        const values = epochs.map(({ validationRecall }) => validationRecall[grade]);
        return [
          { name: grade, values, style: grade, faint: true },
          { name: grade, values: exponentialMovingAverage(values), style: grade },
        ];
      }),
      mark: best && { x: bestEpoch, label: '', at: 'bottom' },
    }),
    lineChart({
      title: `${name}: focal loss`,
      description: 'On training, by epoch.',
      x,
      xLabel: 'epoch',
      series: [{ name: 'training', values: epochs.map((epoch) => epoch.trainLoss), style: 'first' }],
      mark: best && { x: bestEpoch, label: '', at: 'bottom' },
    }),
  ];
}

const CELL = 43;
const GUTTER = 62;
const SHORT = ['normal', 'mod.', 'severe'];

/** Confusion matrices of one arm on the test set, for annotated and predicted crops. */
export function confusionPanel({ name, annotated, predicted }: ArmSummary): Panel {
  const side = GRADES.length * CELL;
  const discs = annotated.confusion.flat().reduce((sum, count) => sum + count, 0);
  const matrix = (x: number, label: string, counts: number[][]) => markup`<g transform="translate(${x} 20)">
<text class="note" x="0" y="-7">${label}</text>${heatmap(counts, SHORT, CELL)}</g>`;
  return {
    title: `${name}: confusion, ${discs} test discs`,
    description: `Rows are truth, columns prediction, annotated crops: ${annotated.confusion.map((row) => row.join(' ')).join('; ')}.`,
    height: 20 + side + 30,
    body: markup`${GRADES.map((grade, i) => markup`<text class="tick end" x="${GUTTER - 8}" y="${20 + (i + 0.5) * CELL + 3}">${grade}</text>`)}
${matrix(GUTTER, 'annotated crops', annotated.confusion)}
${matrix(PANEL_WIDTH - side, 'predicted crops', predicted.confusion)}
<text class="note end" x="${GUTTER - 8}" y="13">truth</text>
<text class="note middle" x="${(GUTTER + PANEL_WIDTH) / 2}" y="${20 + side + 28}">prediction</text>`,
  };
}
