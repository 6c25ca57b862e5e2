/** The tables of a study. */
import { decimal, percent, percentRange, pValue, range, signed, UNDEFINED } from '../../report/format.js';
import { type Markup, markup } from '../../report/markup.js';
import { estimate as estimateCell, heads, number, table, whisker } from '../../report/tables/cells.js';
import type { Task } from '../../tasks/task.js';
import type { ArmResult, Difference, Estimate } from '../armResult.js';
import type { MetricName } from '../sample.js';
import type { Block, GroupResult, StudyRsnaArm, StudySummary } from '../types.js';
import { boundsOf } from './figures.js';

const estimate = (value: Estimate) => estimateCell(value.value, boundsOf(value));

/** A mean count, without decimals if it is whole. */
export const meanCount = (value: number) => (Number.isInteger(value) ? String(value) : value.toFixed(1));

/** k of n discs of the most severe grade that were predicted as the mildest, with the rate and its interval. */
function severe({
  mostSevereAsMildest,
  metrics,
}: Pick<ArmResult, 'mostSevereAsMildest' | 'metrics'>): Markup {
  if (mostSevereAsMildest === null) return number(UNDEFINED);
  const { value, low, high } = metrics.mostSevereAsMildest;
  const { k, n } = mostSevereAsMildest;
  return number(`${meanCount(k)} of ${meanCount(n)}`, `${percent(value)} (${percentRange({ low, high })})`);
}

/** The standard deviation over the repeats; a dash for one repeat. */
function deviation({ repeats }: Estimate): string {
  const values = repeats.filter((value) => value !== null);
  if (values.length < 2) return UNDEFINED;
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return Math.sqrt(squares / (values.length - 1)).toFixed(3);
}

/** A group of rows per label fraction: the first cell spans them. */
export function byFraction<T>(
  blocks: readonly Block[],
  rowsOf: (block: Block) => readonly T[],
  cells: (row: T) => Markup,
): Markup[] {
  return blocks.flatMap((block) => {
    const rows = rowsOf(block);
    return rows.map(
      (row, i) =>
        markup`<tr class="${i === 0 && 'group'}">${i === 0 && markup`<th rowspan="${rows.length}" scope="rowgroup">${percent(block.labels, 0)}</th>`}${cells(row)}</tr>`,
    );
  });
}

/** Balanced accuracy, the extreme error and the recalls of each arm. */
export function armsTable(label: string, { grades, ordered }: Task, blocks: readonly Block[]): Markup {
  const extreme = ordered ? [`${grades.at(-1)!.name} as ${grades[0]!.name}`] : [];
  const recalls = grades.map(({ name }) => `recall ${name}`);
  const head = markup`<tr><th scope="col">labels</th><th scope="col">arm</th>${heads(['balanced accuracy'])}<th scope="col">from 0 to 1</th>
${heads(['SD of repeats', ...extreme, ...recalls])}</tr>`;
  const rows = byFraction(
    blocks,
    ({ arms }) => arms,
    (arm) => {
      const accuracy = arm.metrics.balancedAccuracy;
      const present = Object.values(arm.recall).filter(({ value }) => value !== null).length;
      return markup`<th scope="row">${arm.name}${!arm.complete && markup`<span class="sub">incomplete</span>`}</th>${estimate(accuracy)}
<td>${accuracy.value !== null && whisker({ ...accuracy, value: accuracy.value }, 1 / present, false)}</td>
${number(deviation(accuracy))}${ordered && severe(arm)}${grades.map(({ name }) => estimate(arm.recall[name]!))}`;
    },
  );
  return table(label, head, rows, 'arms');
}

/** Agreement, ranking and calibration. */
export function furtherTable({ ordered, grades }: Task, blocks: readonly Block[]): Markup {
  const last = grades.at(-1)!.name;
  const names = ordered
    ? ['quadratic κ', `AUROC ${last}`, `AUPRC ${last}`]
    : ['κ', 'mean AUROC', 'mean AUPRC'];
  const metrics = ['kappa', 'auroc', 'auprc', 'ece', 'weightedLogLoss'] as const;
  return table(
    'Further metrics',
    markup`<tr><th scope="col">labels</th><th scope="col">arm</th>${heads([...names, 'calibration error', 'log loss'])}</tr>`,
    byFraction(
      blocks,
      ({ arms }) => arms,
      (arm) => markup`<th scope="row">${arm.name}</th>${metrics.map((name) => estimate(arm.metrics[name]))}`,
    ),
    'arms',
  );
}

const SHOWN = ['balancedAccuracy', 'mostSevereAsMildest', 'kappa', 'auroc', 'weightedLogLoss'] as const;

/** The p-values of a difference on a line of their own; null without a test. */
export const pValues = ({ p, pHolm }: Difference): Markup | null =>
  p === null
    ? null
    : markup`<span class="sub">${pValue(p)}; Holm ${pHolm === null ? UNDEFINED : pHolm.toFixed(3)}</span>`;

function differenceCell(difference: Difference): Markup {
  if (difference.value === null) return number(UNDEFINED);
  const interval = range(boundsOf(difference), 3, signed);
  return number(signed(difference.value), [interval, pValues(difference)]);
}

/** The differences between arms, with intervals and p-values. */
export function differencesTable({ ordered, grades }: Task, blocks: readonly Block[]): Markup {
  const titles: Record<MetricName, string> = {
    balancedAccuracy: 'balanced accuracy',
    mostSevereAsMildest: `${grades.at(-1)!.name} as ${grades[0]!.name}`,
    kappa: ordered ? 'quadratic κ' : 'κ',
    auroc: 'AUROC',
    auprc: 'AUPRC',
    ece: 'calibration error',
    weightedLogLoss: 'log loss',
  };
  const shown = SHOWN.filter((name) => ordered || name !== 'mostSevereAsMildest');
  return table(
    'Differences between arms',
    markup`<tr><th scope="col">labels</th><th scope="col">arms</th>${heads(shown.map((name) => titles[name]))}</tr>`,
    byFraction(
      blocks,
      ({ comparisons }) => comparisons,
      ({ a, b, complete, metrics }) =>
        markup`<th scope="row">${a} − ${b}${!complete && markup`<span class="sub">incomplete</span>`}</th>${shown.map((name) => differenceCell(metrics[name]))}`,
    ),
    'arms',
  );
}

/** One arm by disc level. */
export function levelsTable({ ordered }: Task, { perLevel }: ArmResult): Markup {
  return table(
    'Levels',
    markup`<tr><th scope="col">level</th>${heads(['discs', 'correct', 'balanced accuracy', ordered ? 'quadratic κ' : 'κ'])}</tr>`,
    Object.entries(perLevel).map(
      ([level, { discs, correct, balancedAccuracy, kappa }]) =>
        markup`<tr><th scope="row">${level}</th>${number(meanCount(discs))}${number(percent(correct, 0))}
${number(decimal(balancedAccuracy))}${number(decimal(kappa))}</tr>`,
    ),
  );
}

/** The arms by scanner and field strength. */
export function groupsTable({ ordered, grades }: Task, groups: readonly GroupResult[]): Markup {
  const extreme = ordered ? [`${grades.at(-1)!.name} as ${grades[0]!.name}`] : [];
  const names = ['discs', 'balanced accuracy', ...extreme, ordered ? 'quadratic κ' : 'κ'];
  return table(
    'Scanners and field strengths',
    markup`<tr><th scope="col">group</th><th scope="col">arm</th>${heads(names)}</tr>`,
    groups.flatMap(({ kind, value, patients, arms }) =>
      arms.map(
        (arm, i) => markup`<tr class="${i === 0 && 'group'}">${
          i === 0 &&
          markup`<th rowspan="${arms.length}" scope="rowgroup">${value}<span class="sub">${kind === 'scanner' ? 'scanner' : 'field strength'}, ${String(patients)} patients</span></th>`
        }<th scope="row">${arm.name}</th>${number(meanCount(arm.discs))}${estimate(arm.metrics.balancedAccuracy)}
${ordered && severe(arm)}${estimate(arm.metrics.kappa)}</tr>`,
      ),
    ),
    'arms',
  );
}

/** The score of the RSNA challenge. */
export function rsnaTable(blocks: NonNullable<StudySummary['rsna']>): Markup {
  const parts = ['score', 'spinal', 'foraminal', 'subarticular', 'anySevereSpinal'] as const;
  return table(
    'RSNA score',
    markup`<tr><th scope="col">labels</th><th scope="col">crops</th><th scope="col">arm</th>${heads(['score', 'canal', 'foramina', 'subarticular', 'any severe canal'])}</tr>`,
    blocks.flatMap(({ labels, crops, arms }) =>
      arms.map(
        (arm: StudyRsnaArm, i) =>
          markup`<tr class="${i === 0 && 'group'}"><td>${i === 0 && percent(labels, 0)}</td><td>${i === 0 && crops}</td><th scope="row">${arm.name}</th>
${parts.map((part) => estimate(arm[part]))}</tr>`,
      ),
    ),
    'arms',
  );
}

/** Finished cells of the plan, by arm and label fraction. */
export function planTable({ plan: { arms, labels, progress } }: StudySummary): Markup {
  const cell = (name: string, fraction: number) => {
    const found = progress.find((entry) => entry.arm === name && entry.labels === fraction);
    return number(found ? `${found.finished} of ${found.planned}` : UNDEFINED);
  };
  return table(
    'Cells',
    markup`<tr><th scope="col">arm</th>${heads(labels.map((fraction) => percent(fraction, 0)))}</tr>`,
    arms.map(
      ({ name }) =>
        markup`<tr><th scope="row">${name}</th>${labels.map((fraction) => cell(name, fraction))}</tr>`,
    ),
  );
}
