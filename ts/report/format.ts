import type { Bounds, Interval, Proportion } from '../evaluation/types.js';

/** Number formats of the page and the terminal. An undefined quantity is printed as a dash. */

export const UNDEFINED = '—';

const TOO_FEW = `${UNDEFINED}, too few patients`;

export const decimal = (value: number | null, digits = 3) => value?.toFixed(digits) ?? UNDEFINED;

/** With a sign; the minus is U+2212. */
export const signed = (value: number, digits = 3) =>
  `${value < 0 ? '−' : '+'}${Math.abs(value).toFixed(digits)}`;

/** The interval of a defined number. */
export function range(
  bounds: Bounds | Interval | null,
  digits = 2,
  print: typeof signed = (value) => value.toFixed(digits),
): string {
  if (bounds === null || bounds.low === null || bounds.high === null) return TOO_FEW;
  return `${print(bounds.low, digits)} to ${print(bounds.high, digits)}`;
}

export const percent = (rate: number | null, digits = 1) =>
  rate === null ? UNDEFINED : `${(rate * 100).toFixed(digits)} %`;

export const count = (n: number, noun: string) => `${n} ${noun}${n === 1 ? '' : 's'}`;

export const kOfN = ({ k, n }: Proportion) => `${k} of ${n}`;

export const percentRange = ({ low, high }: Pick<Proportion, 'low' | 'high'>) =>
  low === null || high === null ? UNDEFINED : `${(low * 100).toFixed(1)} to ${(high * 100).toFixed(1)} %`;

export const pValue = (p: number) => (p < 0.001 ? 'p < 0.001' : `p = ${p.toFixed(3)}`);

export function duration(seconds: number): string {
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  const rounded = Math.round(seconds);
  const minutes = Math.floor(rounded / 60);
  if (minutes < 60) return `${minutes} min ${String(rounded % 60).padStart(2, '0')} s`;
  return `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, '0')} min`;
}
