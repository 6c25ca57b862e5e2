/** Formats the results of a run. */
import type { Timing } from '../lib/summary.js';
import { formatNumber, markdownTable } from '../lib/table.js';
import type { Result } from './compare.js';
import type { Measure } from './measures.js';

/** All timings of one comparison, one per line. */
export function detailsOf({ label, description, spinegrad, peers, difference, bound }: Result): string[] {
  const line = (name: string, { median, fastest, quartiles }: Timing): string =>
    `  ${name.padEnd(28)} ${formatNumber(median).padStart(8)} ms, fastest ${formatNumber(fastest)}, ` +
    `quartiles ${quartiles.map(formatNumber).join(' to ')}`;
  return [
    `${label}: ${description}`,
    line('spinegrad', spinegrad),
    ...Object.entries(peers).flatMap(([peer, variants]) =>
      Object.entries(variants).map(([variant, timing]) => line(`PyTorch, ${peer}: ${variant}`, timing)),
    ),
    ...(difference === null
      ? []
      : [`  results differ by ${difference.toExponential(1)} of the largest value (bound ${bound})`]),
  ];
}

export function comparisonTable(results: readonly Result[]): string {
  const rows = results.flatMap(({ label, spinegrad, targets }) =>
    targets.map(({ name, ratio, target, milliseconds }, index) => [
      index === 0 ? label : '',
      index === 0 ? formatNumber(spinegrad.median) : '',
      name,
      milliseconds === null ? '-' : formatNumber(milliseconds),
      ratio === null ? '-' : `${formatNumber(ratio)}x`,
      `${target}x`,
      ratio === null ? '-' : ratio >= target ? 'yes' : 'no',
    ]),
  );
  return markdownTable(['workload', 'ms', 'PyTorch', 'ms', 'ratio', 'target', 'met'], rows);
}

export const measureTable = (measures: readonly Measure[]): string =>
  markdownTable(
    ['', 'measured', 'PyTorch', 'upper bound', 'met'],
    measures.map(({ label, value, unit, target, peer }) => [
      label,
      `${formatNumber(value)} ${unit}`,
      peer === null ? '-' : `${formatNumber(peer)} ${unit}`,
      target === null ? '-' : `${formatNumber(target)} ${unit}`,
      target === null ? '-' : value < target ? 'yes' : 'no',
    ]),
  );
