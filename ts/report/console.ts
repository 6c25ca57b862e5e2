import type { Summary } from '../evaluation/types.js';
import { count, decimal, duration, kOfN, pValue, range, signed } from './format.js';
import { missingGrades } from './grades.js';

/** Aligns cells in columns: the first `left` columns to the left, the others to the right. */
export function columns(rows: readonly (readonly string[])[], left: number): string[] {
  const widths = rows[0]!.map((_, j) => Math.max(...rows.map((row) => row[j]!.length)));
  const pad = (cell: string, j: number) => (j < left ? cell.padEnd(widths[j]!) : cell.padStart(widths[j]!));
  return rows.map((row) => `  ${row.map(pad).join('  ').trimEnd()}`);
}

/** The results of a run for the terminal: arms, comparisons and localization in fewer than 20 lines. */
export function formatSummary(summary: Summary): string {
  const { data, arms, comparisons, localization, timing } = summary;
  const { task } = summary;
  const [first, last] = [task.grades[0]!.name, task.grades.at(-1)!.name];
  const { patients, patientsPerGrade } = arms[0]!.annotated;
  const withLast = task.ordered ? `, ${patientsPerGrade[last]} with a disc graded ${last}` : '';
  const missing = missingGrades(task, arms[0]!.annotated);
  const seconds = Object.values(timing).reduce((total, stage) => total + stage, 0);
  const rows = arms.flatMap(({ name, ...arm }) =>
    (['annotated', 'predicted'] as const).map((crops) => {
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
    ...(data.synthetic ? ['SYNTHETIC DATA: these numbers are not evidence about patients.'] : []),
    `Test set: ${count(patients, 'patient')}${withLast}.`,
    ...(missing ? [missing] : []),
    ...columns([head, ...rows], 2),
    ...comparisons.map(
      ({ a, b, difference, p }) =>
        `${a} − ${b}: ${signed(difference.value)} (${range(difference, 3, signed)})${p === null ? '' : `, ${pValue(p)}`}`,
    ),
    `localization: RMSE ${decimal(localization.rmsePx, 2)} px, ${decimal(localization.rmseMm, 2)} mm over ${localization.n} discs`,
    `time: ${duration(seconds)} on ${summary.device}`,
  ].join('\n');
}
