/** The tables of one task. */
import type { Comparison, Metrics, TaskSummary } from '../../evaluation/types.js';
import { count, decimal, kOfN, percent, pValue, range, signed, UNDEFINED } from '../format.js';
import { chance, extremeError } from '../grades.js';
import { type Markup, markup } from '../markup.js';
import type { Published } from '../published.js';
import { armRows, estimate, heads, number, proportion, table, whisker } from './cells.js';

function publishedRows({ arms }: Published, { task }: TaskSummary): Markup[] {
  return arms.map(
    ({
      name,
      balancedAccuracy,
      mostSevereAsMildest,
    }) => markup`<tr class="published"><th scope="row">${name}</th><td>published</td>${number(decimal(balancedAccuracy))}<td></td>
${number(percent(mostSevereAsMildest, 2))}${task.grades.map(() => number(UNDEFINED))}</tr>`,
  );
}

/** A column per grade, with the number of discs and patients that its recall is computed from. */
function recallHeads({ confusion, patientsPerGrade }: Metrics, { task }: TaskSummary): Markup[] {
  return task.grades.map(({ name }, i) => {
    const discs = confusion[i]!.reduce((sum, count) => sum + count, 0);
    return markup`<th class="number" scope="col">recall ${name}<span class="sub">${count(discs, 'disc')}</span><span class="sub">${count(patientsPerGrade[name]!, 'patient')}</span></th>`;
  });
}

/** Each arm with predicted and annotated crops, then the published results. */
export function armsTable(result: TaskSummary, published: Published | null): Markup {
  const { task, arms } = result;
  const extreme = extremeError(task);
  const head = markup`<tr><th scope="col">arm</th><th scope="col">crops</th>${heads(['balanced accuracy'])}<th scope="col">from 0 to 1</th>
${heads(extreme === null ? [] : [extreme])}${arms[0] && recallHeads(arms[0].predicted, result)}</tr>`;
  const rows = armRows(result, (m, predicted) => [
    number(decimal(m.balancedAccuracy.value), range(m.balancedAccuracy)),
    markup`<td>${whisker(m.balancedAccuracy, chance(task, m), !predicted)}</td>`,
    m.mostSevereAsMildest && proportion(m.mostSevereAsMildest),
    task.grades.map(({ name }) => estimate(m.recall[name]!, m.intervals.recall[name]!)),
  ]);
  return table('Arms', head, [rows, published && publishedRows(published, result)], 'arms');
}

/** Agreement, ranking and calibration of the arms. */
export function furtherMetricsTable(result: TaskSummary): Markup {
  const { grades, ordered } = result.task;
  const last = grades.at(-1)!.name;
  const names = ordered
    ? ['quadratic κ', `AUROC ${last}`, `AUPRC ${last}`]
    : ['κ', 'mean AUROC', 'mean AUPRC'];
  const head = markup`<tr><th scope="col">arm</th><th scope="col">crops</th>${heads([...names, 'calibration error', 'log loss'])}</tr>`;
  const rows = armRows(result, (m) =>
    (['kappa', 'auroc', 'auprc', 'ece', 'weightedLogLoss'] as const).map((name) =>
      estimate(m[name], m.intervals[name]),
    ),
  );
  return table('Further metrics', head, rows, 'arms');
}

export function comparisonsTable({ comparisons: { predicted, annotated } }: TaskSummary): Markup {
  const cells = ({ difference, p }: Comparison) =>
    number(signed(difference.value), `${range(difference, 2, signed)}${p === null ? '' : `; ${pValue(p)}`}`);
  return table(
    'Differences between arms',
    markup`<tr><th scope="col">balanced accuracy</th>${heads(['predicted crops', 'annotated crops'])}</tr>`,
    predicted.map(
      (comparison, i) =>
        markup`<tr><th scope="row">${comparison.a} − ${comparison.b}</th>${cells(comparison)}${cells(annotated[i]!)}</tr>`,
    ),
  );
}

/** The last arm by disc level. */
export function levelsTable({ arms, task }: TaskSummary): Markup {
  const arm = arms.at(-1)!;
  const kappa = task.ordered ? 'quadratic κ' : 'κ';
  const levels = Object.entries(arm.predicted.perLevel);
  return table(
    'Levels',
    markup`<tr><th scope="col">level</th>${heads(['discs', 'correct', 'balanced accuracy', kappa, 'correct, annotated crops'])}</tr>`,
    levels.map(([level, predicted]) => {
      const annotated = arm.annotated.perLevel[level]!;
      return markup`<tr><th scope="row">${level}</th>${number(String(predicted.discs))}${number(percent(predicted.correct / predicted.discs, 0))}
${number(decimal(predicted.balancedAccuracy))}${number(decimal(predicted.kappa))}${number(percent(annotated.correct / annotated.discs, 0))}</tr>`;
    }),
  );
}

/** The results of all tasks in one table: the last arm, and its difference from the first. */
export function overviewTable(
  results: readonly TaskSummary[],
  anchor: (result: TaskSummary) => string,
): Markup {
  const arm = results[0]!.arms.at(-1)!.name;
  const head = markup`<tr><th scope="col">task</th><th scope="col">grades</th>${heads(['test discs', 'balanced accuracy'])}<th scope="col">from 0 to 1</th>
${heads(['annotated crops', `${arm} − ${results[0]!.arms[0]!.name}`, 'last grade as first'])}</tr>`;
  const rows = results.map((result) => {
    const { task, arms, comparisons } = result;
    const { predicted, annotated } = arms.at(-1)!;
    const difference = comparisons.predicted.find(
      ({ a, b }) => a === arms.at(-1)!.name && b === arms[0]!.name,
    );
    const discs = predicted.confusion.flat().reduce((sum, n) => sum + n, 0);
    const extreme = predicted.mostSevereAsMildest;
    return markup`<tr><th scope="row"><a href="#${anchor(result)}">${task.title}</a></th><td>${String(task.grades.length)} ${task.ordered ? 'ordered' : 'nominal'}</td>
${number(String(discs), count(predicted.patients, 'patient'))}${number(decimal(predicted.balancedAccuracy.value), range(predicted.balancedAccuracy))}
<td>${whisker(predicted.balancedAccuracy, chance(task, predicted), false)}</td>${number(decimal(annotated.balancedAccuracy.value))}
${difference ? number(signed(difference.difference.value), range(difference.difference, 2, signed)) : number(UNDEFINED)}
${number(extreme ? kOfN(extreme) : UNDEFINED)}</tr>`;
  });
  return table('All tasks', head, rows, 'arms');
}
