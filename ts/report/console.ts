import type { Summary, TaskSummary } from '../evaluation/types.js';
import { count, decimal, duration, kOfN, percent, pValue, range, signed, UNDEFINED } from './format.js';
import { missingGrades } from './grades.js';

/** Aligns cells in columns: the first `left` columns to the left, the others to the right. */
export function columns(rows: readonly (readonly string[])[], left: number): string[] {
  const widths = rows[0]!.map((_, j) => Math.max(...rows.map((row) => row[j]!.length)));
  const pad = (cell: string, j: number) => (j < left ? cell.padEnd(widths[j]!) : cell.padStart(widths[j]!));
  return rows.map((row) => `  ${row.map(pad).join('  ').trimEnd()}`);
}

/** The results of a run for the terminal: the arms of one task, or a table of several tasks, and localization. */
export function formatSummary({ data, tasks, rsna, localization, timing, device }: Summary): string {
  const { medianMm, within5Mm, n, patientsNamed } = localization;
  const seconds = Object.values(timing).reduce((total, stage) => total + stage, 0);
  return [
    ...(data.synthetic ? ['SYNTHETIC DATA: these numbers are not evidence about patients.'] : []),
    ...(tasks.length === 1 ? taskLines(tasks[0]!) : tasksLines(tasks)),
    ...(rsna ?? []).map(
      ({ name, predicted, annotated }) =>
        `RSNA score, ${name}: ${decimal(predicted.score)} (annotated crops: ${decimal(annotated.score)})`,
    ),
    `localization: ${medianMm === null ? '' : `median ${medianMm.toFixed(2)} mm, `}${percent(within5Mm, 0)} of ${n} discs ` +
      `within 5 mm, levels right in ${kOfN(patientsNamed)} patients`,
    `time: ${duration(seconds)} on ${device}`,
  ].join('\n');
}

/** The arms of a task on both kinds of crop, and their differences on predicted crops. */
function taskLines({ task, arms, comparisons }: TaskSummary): string[] {
  const [first, last] = [task.grades[0]!.name, task.grades.at(-1)!.name];
  const { patients, patientsPerGrade } = arms[0]!.predicted;
  const withLast = task.ordered ? `, ${patientsPerGrade[last]} with a disc graded ${last}` : '';
  const missing = missingGrades(task, arms[0]!.predicted);
  const rows = arms.flatMap(({ name, ...arm }) =>
    (['predicted', 'annotated'] as const).map((crops) => {
      const m = arm[crops];
      return [
        name,
        crops,
        `${decimal(m.balancedAccuracy.value)} (${range(m.balancedAccuracy)})`,
        ...(m.mostSevereAsMildest ? [kOfN(m.mostSevereAsMildest)] : []),
        decimal(m.kappa),
        decimal(m.auprc),
        decimal(m.weightedLogLoss),
      ];
    }),
  );
  const extreme = task.ordered ? [`${last}→${first}`] : [];
  const head = ['arm', 'crops', 'balanced accuracy', ...extreme, 'kappa', 'AUPRC', 'log loss'];
  return [
    `${task.title}: ${count(patients, 'test patient')}${withLast}.`,
    ...(missing ? [missing] : []),
    ...columns([head, ...rows], 2),
    ...comparisons.predicted.map(
      ({ a, b, difference, p }) =>
        `${a} − ${b}: ${signed(difference.value)} (${range(difference, 3, signed)})${p === null ? '' : `, ${pValue(p)}`}`,
    ),
  ];
}

/** One line per task and arm: the metrics of predicted crops, and the balanced accuracy of annotated crops. */
function tasksLines(tasks: readonly TaskSummary[]): string[] {
  const rows = tasks.flatMap(({ task, arms }) =>
    arms.map(({ name, predicted, annotated }, i) => [
      i === 0 ? task.title : '',
      name,
      i === 0 ? String(predicted.patients) : '',
      `${decimal(predicted.balancedAccuracy.value)} (${range(predicted.balancedAccuracy)})`,
      decimal(annotated.balancedAccuracy.value),
      predicted.mostSevereAsMildest ? kOfN(predicted.mostSevereAsMildest) : UNDEFINED,
      decimal(predicted.kappa),
    ]),
  );
  const head = ['task', 'arm', 'patients', 'balanced accuracy', 'annotated', 'last→first', 'kappa'];
  const missing = tasks.flatMap(({ task, arms }) => {
    const text = missingGrades(task, arms[0]!.predicted);
    return text === null ? [] : [`${task.title}: ${text[0]!.toLowerCase()}${text.slice(1)}`];
  });
  return [
    'Test patients, predicted crops; "annotated" is the balanced accuracy on annotated crops.',
    ...columns([head, ...rows], 2),
    ...missing,
  ];
}
