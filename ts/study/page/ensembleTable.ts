/** The table of the ensembles of the repeats. */
import { decimal, range, signed } from '../../report/format.js';
import { type Markup, markup } from '../../report/markup.js';
import { estimate, heads, number, table } from '../../report/tables/cells.js';
import type { Task } from '../../tasks/task.js';
import type { ArmResult, Ensemble } from '../armResult.js';
import type { MetricName } from '../sample.js';
import type { Block } from '../types.js';
import { boundsOf } from './figures.js';
import { byFraction, pValues } from './tables.js';

const SHOWN = ['balancedAccuracy', 'kappa', 'ece', 'weightedLogLoss'] as const;

type Row = Pick<ArmResult, 'name' | 'metrics'> & { ensemble: Ensemble };

const rowsOf = ({ arms }: Block): Row[] =>
  arms.flatMap(({ name, metrics, ensemble }) => (ensemble === null ? [] : [{ name, metrics, ensemble }]));

/** Per arm: one network, the ensemble, and their difference; null without ensembles. */
export function ensembleTable({ ordered }: Task, blocks: readonly Block[]): Markup | null {
  if (!blocks.some((block) => rowsOf(block).length > 0)) return null;
  const names = ['balanced accuracy', ordered ? 'quadratic κ' : 'κ', 'calibration error', 'log loss'];
  const row = (name: string, note: string, cells: readonly Markup[]) =>
    markup`<th scope="row">${name}<span class="sub">${note}</span></th>${cells}`;
  return table(
    'Ensembles',
    markup`<tr><th scope="col">labels</th><th scope="col">networks</th>${heads(names)}</tr>`,
    byFraction(
      blocks,
      (block) =>
        rowsOf(block).flatMap(({ name, metrics, ensemble }) => [
          row(
            name,
            'one network, mean of repeats',
            SHOWN.map((metric) => estimate(metrics[metric].value, boundsOf(metrics[metric]))),
          ),
          row(
            name,
            `ensemble of ${ensemble.members}`,
            SHOWN.map((metric) => ensembleCell(ensemble, metric)),
          ),
        ]),
      (cells) => cells,
    ),
    'arms',
  );
}

/** The value of the ensemble, and below it the difference from its members. */
function ensembleCell({ metrics, difference }: Ensemble, metric: MetricName): Markup {
  const { value, ...bounds } = difference[metric];
  return number(
    decimal(metrics[metric].value),
    value !== null && [
      `${signed(value)} (${range(boundsOf(bounds), 3, signed)})`,
      pValues(difference[metric]),
    ],
  );
}

export const ENSEMBLE_CAPTION = `An ensemble grades a disc by the mean probabilities of the networks of all repeats, with other seeds and, below
label fraction 1, other labelled patients. Below its value: the paired difference from its members; p-values are corrected after Holm over the arms at one label fraction. Its cost is that of
as many networks.`;
