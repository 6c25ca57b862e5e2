import type { Summary } from '../evaluation/types.js';
import { count, decimal, duration, kOfN, pValue, range, signed } from './format.js';
import { missingGrades } from './grades.js';

/** Columns of text, as wide as their widest cell; the first `left` to the left, the others to the right. */
export function columns(rows: readonly (readonly string[])[], left: number): string[] {
  const widths = rows[0]!.map((_, j) => Math.max(...rows.map((row) => row[j]!.length)));
  const pad = (cell: string, j: number) => (j < left ? cell.padEnd(widths[j]!) : cell.padStart(widths[j]!));
  return rows.map((row) => `  ${row.map(pad).join('  ').trimEnd()}`);
}

/** The end of a run on the terminal: arms, comparisons and localization in under 20 lines of plain text. */
export function formatSummary(summary: Summary): string {
  const { data, arms, comparisons, localization, timing } = summary;
  const { all: patients, severe } = arms[0]!.annotated.patients;
  const missing = missingGrades(arms[0]!.annotated);
  const seconds = Object.values(timing).reduce((total, stage) => total + stage, 0);
  const rows = arms.flatMap(({ name, ...arm }) =>
    (['annotated', 'predicted'] as const).map((crops) => {
      const m = arm[crops];
      const accuracy = `${decimal(m.balancedAccuracy.value)} (${range(m.balancedAccuracy)})`;
      return [
        name,
        crops,
        accuracy,
        kOfN(m.severeToNormal),
        decimal(m.quadraticKappa),
        decimal(m.auprc),
        decimal(m.rsnaLogLoss),
      ];
    }),
  );
  const head = ['arm', 'crops', 'balanced accuracy', 'severe→normal', 'kappa', 'AUPRC', 'log loss'];
  return [
    ...(data.synthetic ? ['SYNTHETIC DATA: these numbers say nothing about patients.'] : []),
    `Test set: ${count(patients, 'patient')}, ${severe} of them with a severe disc.`,
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
