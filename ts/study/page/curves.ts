/** Performance by the length of fine-tuning. */
import { count, decimal, percent, UNDEFINED } from '../../report/format.js';
import { gradeClass } from '../../report/grades.js';
import { type Markup, markup } from '../../report/markup.js';
import { lineChart, type Panel } from '../../report/svg.js';
import { heads, number, table } from '../../report/tables/cells.js';
import { REACHED } from '../learningCurves.js';
import type { StudySummary } from '../types.js';

type Curves = StudySummary['curves'];

/** One panel per label fraction, one line per arm, with a band of one standard deviation over the cells. */
export function curvePanels(curves: Curves, arms: readonly string[]): Panel[] {
  const bounds = curves.flatMap((block) =>
    block.arms.flatMap(({ epochs }) => epochs.flatMap(({ mean, sd }) => [mean - sd, mean + sd])),
  );
  const yDomain = [Math.max(0, Math.min(...bounds)), Math.min(1, Math.max(...bounds))] as const;
  return curves.map((block) =>
    lineChart({
      title: `${percent(block.labels, 0)} of the labels, validation`,
      description: block.arms
        .map(
          ({ name, final, stepsTo95 }) =>
            `${name}: ${decimal(final)} at the end, 95 % of it at step ${stepsTo95}`,
        )
        .join('; '),
      x: [],
      xLabel: 'optimizer steps of fine-tuning',
      yDomain,
      series: block.arms.map(({ name, epochs }) => ({
        name,
        style: gradeClass(arms.indexOf(name)),
        x: epochs.map(({ step }) => step),
        values: epochs.map(({ mean }) => mean),
        band: epochs.map(({ mean, sd }) => ({ low: Math.max(0, mean - sd), high: Math.min(1, mean + sd) })),
      })),
    }),
  );
}

/** The final value of each curve and the steps to most of it. */
export function curvesTable(curves: Curves): Markup {
  return table(
    'Length of fine-tuning',
    markup`<tr><th scope="col">labels</th><th scope="col">arm</th>${heads(['cells', 'steps', 'final value', `steps to ${percent(REACHED, 0)}`])}</tr>`,
    curves.flatMap(({ labels, arms }) =>
      arms.map(({ name, cells, epochs, final, stepsTo95 }, i) => {
        const { step, epoch, sd } = epochs.at(-1) ?? { step: 0, epoch: 0, sd: 0 };
        return markup`<tr class="${i === 0 && 'group'}">${
          i === 0 && markup`<th rowspan="${arms.length}" scope="rowgroup">${percent(labels, 0)}</th>`
        }<th scope="row">${name}</th>${number(String(cells))}${number(String(Math.round(step)), count(epoch, 'epoch'))}
${number(decimal(final), `SD ${decimal(sd)}`)}${number(stepsTo95 === null ? UNDEFINED : String(Math.round(stepsTo95)))}</tr>`;
      }),
    ),
    'arms',
  );
}

export const CURVES_CAPTION = `Balanced accuracy on the validation patients after each epoch of fine-tuning: mean over folds and repeats, with a band of one
standard deviation over these cells. If several tasks are graded, the mean over the tasks. These patients also choose the epoch, so the
values are not results; the results above are those of test patients.`;
