/** The report of a run, for people. */
import type { Timing } from '../lib/summary.js';
import { digits, markdown } from '../lib/table.js';
import type { Measure } from './absolute.js';
import type { Result } from './compare.js';

/** Everything that was measured of one work. */
export function linesOf({ label, same, ours, theirs, difference, bound }: Result): string[] {
  const line = (name: string, { median, fastest, quartiles }: Timing): string =>
    `  ${name.padEnd(28)} ${digits(median).padStart(8)} ms, fastest ${digits(fastest)}, quartiles ${quartiles.map(digits).join(' to ')}`;
  return [
    `${label}: ${same}`,
    line('spinegrad', ours),
    ...Object.entries(theirs).flatMap(([peer, variants]) =>
      Object.entries(variants).map(([variant, timing]) => line(`PyTorch, ${peer}: ${variant}`, timing)),
    ),
    ...(difference === null
      ? []
      : [`  results differ by ${difference.toExponential(1)} of the largest value (bound ${bound})`]),
  ];
}

export function tableOf(results: readonly Result[]): string {
  const rows = results.flatMap(({ label, ours, targets }) =>
    targets.map(({ name, ratio, target, milliseconds }, index) => [
      index === 0 ? label : '',
      index === 0 ? digits(ours.median) : '',
      name,
      milliseconds === null ? '-' : digits(milliseconds),
      ratio === null ? '-' : `${digits(ratio)}x`,
      `${target}x`,
      ratio === null ? '-' : ratio >= target ? 'yes' : 'no',
    ]),
  );
  return markdown(['work', 'ms', 'PyTorch', 'ms', 'ratio', 'target', 'met'], rows);
}

export const measuresOf = (measures: readonly Measure[]): string =>
  markdown(
    ['', 'measured', 'PyTorch', 'to stay below', 'met'],
    measures.map(({ label, value, unit, target, peer }) => [
      label,
      `${digits(value)} ${unit}`,
      peer === null ? '-' : `${digits(peer)} ${unit}`,
      target === null ? '-' : `${digits(target)} ${unit}`,
      target === null ? '-' : value < target ? 'yes' : 'no',
    ]),
  );
