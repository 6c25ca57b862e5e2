/** The table of calibration, conformal sets and novelty of a task. */
import type { TaskSummary } from '../../evaluation/types.js';
import { decimal, percent } from '../format.js';
import { type Markup, markup } from '../markup.js';
import { heads, number, proportion, table } from './cells.js';

/** One row per arm, on predicted crops; null without calibration. */
export function trustTable({ task, arms }: TaskSummary): Markup | null {
  const rows = arms.flatMap(({ name, trust }) => {
    if (trust === null) return [];
    const { temperature, calibration, sets, novel } = trust;
    const { before, after } = calibration;
    const change = (metric: keyof typeof before) =>
      number(`${decimal(before[metric])} → ${decimal(after[metric])}`);
    return markup`<tr><th scope="row">${name}</th>${number(decimal(temperature, 2))}${change('ece')}${change('logLoss')}
${number(decimal(sets.meanSize, 2), `${percent(sets.single.rate, 0)} with one grade`)}${proportion(sets.coverage)}
${task.grades.map((grade) => proportion(sets.coveragePerGrade[grade.name]!))}${proportion(novel)}</tr>`;
  });
  if (rows.length === 0) return null;
  const grades = task.grades.map(({ name }) => `covered, ${name}`);
  const names = ['temperature', 'calibration error', 'log loss', 'set size', 'covered', ...grades, 'novel'];
  return table(
    'Calibration and sets',
    markup`<tr><th scope="col">arm</th>${heads(names)}</tr>`,
    rows,
    'arms',
  );
}

/** What the columns mean. */
export function trustCaption({ arms }: TaskSummary): string {
  const nominal = arms.find(({ trust }) => trust !== null)?.trust?.sets.nominal ?? null;
  return `Predicted crops. Temperature, sets and the limit of novelty were fitted on validation patients. Calibration error and
log loss (unweighted): before and after temperature scaling, which changes no predicted grade. A set holds the grades that are
plausible for a disc; nominally it contains the true grade of ${nominal === null ? 'the stated fraction' : percent(nominal, 0)} of the discs of each
grade, if test and validation discs are exchangeable. Covered: discs whose set contains the readers' grade, with Wilson intervals
that treat discs as independent. Novel: discs whose crops are farther from the training crops than 99 % of the validation discs.`;
}
