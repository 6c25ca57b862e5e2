/** The tables of calibration and conformal sets. */
import { decimal, percent, percentRange, UNDEFINED } from '../../report/format.js';
import { type Markup, markup } from '../../report/markup.js';
import { heads, number, table } from '../../report/tables/cells.js';
import type { Task } from '../../tasks/task.js';
import type { ArmTrust, CalibratedResult, MeanProportion } from '../armResult.js';
import type { Block } from '../types.js';
import { byFraction, meanCount } from './tables.js';

type Measured = { name: string; trust: ArmTrust };

/** The arms whose predictions have a calibration. */
const measured = ({ arms }: Block): Measured[] =>
  arms.flatMap(({ name, trust }) => (trust === null ? [] : [{ name, trust }]));

export const hasTrust = (blocks: readonly Block[]): boolean =>
  blocks.some((block) => measured(block).length > 0);

const isPooled = (blocks: readonly Block[]): boolean =>
  blocks.some((block) => measured(block).some(({ trust }) => trust.pooled !== null));

/** Calibration error and log loss of the networks, and after both kinds of temperature scaling. */
export function temperatureTable(blocks: readonly Block[]): Markup {
  const names = [
    ...['T of a cell', 'T pooled', 'calibration error', 'after T of a cell', 'after T pooled'],
    ...['log loss', 'after T of a cell', 'after T pooled'],
  ];
  const temperature = (result: CalibratedResult | null) =>
    result === null
      ? number(UNDEFINED)
      : number(
          decimal(result.temperature.mean, 2),
          `${decimal(result.temperature.low, 2)} to ${decimal(result.temperature.high, 2)}`,
        );
  return table(
    'Temperature scaling',
    markup`<tr><th scope="col">labels</th><th scope="col">arm</th>${heads(names)}</tr>`,
    byFraction(blocks, measured, ({ name, trust: { before, split, pooled } }) => {
      const metric = (key: 'ece' | 'logLoss') =>
        [before, split.after, pooled?.after].map((result) => number(decimal(result?.[key] ?? null)));
      return markup`<th scope="row">${name}</th>${temperature(split)}${temperature(pooled)}${metric('ece')}${metric('logLoss')}`;
    }),
    'arms',
  );
}

const proportion = ({ k, n, rate, ...bounds }: MeanProportion) =>
  number(`${meanCount(k)} of ${meanCount(n)}`, rate !== null && `${percent(rate)} (${percentRange(bounds)})`);

/** Coverage and size of the sets, with both calibrations of each arm. */
export function setsTable({ grades }: Task, blocks: readonly Block[]): Markup {
  const names = [
    ...['set size', 'one grade', 'all grades', 'covered'],
    ...grades.map(({ name }) => `covered, ${name}`),
  ];
  const row = (name: string, calibration: string, result: CalibratedResult) =>
    markup`<th scope="row">${name}<span class="sub">${calibration}</span></th>${number(decimal(result.meanSize, 2))}
${number(percent(result.single.rate, 0))}${number(percent(result.full.rate, 0))}${proportion(result.coverage)}
${grades.map((grade) => proportion(result.coveragePerGrade[grade.name]!))}`;
  return table(
    'Conformal sets',
    markup`<tr><th scope="col">labels</th><th scope="col">arm</th>${heads(names)}</tr>`,
    byFraction(
      blocks,
      (block) =>
        measured(block).flatMap(({ name, trust: { split, pooled } }) => [
          row(name, 'own validation fold', split),
          ...(pooled ? [row(name, `pooled, ${meanCount(Math.round(pooled.discs))} discs`, pooled)] : []),
        ]),
      (cells) => cells,
    ),
    'arms',
  );
}

/** What the columns mean, and what is missing. */
export function trustCaption(blocks: readonly Block[]): Markup {
  const nominal = blocks.flatMap(measured).find(({ trust }) => trust.nominal !== null)?.trust.nominal ?? null;
  return markup`<p class="caption">Predicted crops. A set holds the grades that are plausible for a disc; nominally it contains the true grade of
${nominal === null ? 'the stated fraction' : percent(nominal, 0)} of the discs of each grade. Own validation fold: temperature T and sets of a cell are fitted on its validation
patients, as for the user of one network. Pooled: on the validation discs of all cells of the repeat except those that validate on
the tested patients (cross-conformal); each disc is graded by a network that was not trained on its patient. Covered: discs whose
set contains the readers' grade, the mean over the repeats, with Wilson intervals that treat discs as independent. No set is empty,
because the predicted grade is always in it. Log loss: unweighted.${
    isPooled(blocks)
      ? ''
      : ' The pooled calibration is missing: the cells of this study did not keep their validation discs.'
  }</p>`;
}
