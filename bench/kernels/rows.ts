/** What is told of a call, and the tables of it. */

import type { Timing } from '../lib/summary.js';
import { digits } from '../lib/table.js';
import type { Call } from './calls.js';
import { bytesOf } from './calls.js';
import type { Case } from './cases.js';
import { type Peaks, rooflineOf } from './roofline.js';

export interface Work {
  call: string;
  label: string;
  /** How often a training step of ResNet-18 makes it. */
  times: number;
  bytes: number;
  /** 0 where only the bytes count. */
  flops: number;
}

export interface Row extends Work {
  timing: Timing;
  peer?: Timing | undefined;
}

export function workOf(one: Case, call: Call): Work {
  const pass = call.operation.split('.')[1]!;
  return {
    call: call.operation,
    label: one.label,
    times: one.times ?? 0,
    bytes: one.bytes?.[pass] ?? bytesOf(call),
    flops: one.flops?.[pass] ?? 0,
  };
}

const percent = (value: number): string => (Number.isFinite(value) ? `${Math.round(100 * value)} %` : '-');

const COLUMNS = [
  ['call', -28],
  ['shape', -38],
  ['ms', 9],
  ['+-', 6],
  ['GB/s', 7],
  ['GFLOP/s', 8],
  ['roofline', 9],
  ['PyTorch ms', 11],
  ['ratio', 6],
] as const;

const line = (cells: readonly string[]): string =>
  COLUMNS.map(([, width], index) =>
    width < 0 ? cells[index]!.padEnd(-width) : cells[index]!.padStart(width),
  )
    .join(' ')
    .trimEnd();

export const headingOf = (): string => line(COLUMNS.map(([name]) => name));

export function lineOf({ call, label, bytes, flops, timing, peer }: Row, peaks: Peaks): string {
  const { median, quartiles } = timing;
  return line([
    call,
    label,
    digits(median),
    percent((quartiles[1] - quartiles[0]) / 2 / median),
    digits(bytes / median / 1e6),
    flops ? digits(flops / median / 1e6) : '-',
    percent(rooflineOf(bytes, flops, peaks) / median),
    peer ? digits(peer.median) : '-',
    peer ? digits(peer.median / median) : '-',
  ]);
}

/** Milliseconds that a training step of ResNet-18 spends in each operation, as the sum of its calls. */
export function stepOf(rows: readonly Row[]): string[] {
  const totals = new Map<string, number>();
  for (const { call, times, timing } of rows) {
    const operation = call.split('.')[0]!;
    if (times) totals.set(operation, (totals.get(operation) ?? 0) + times * timing.median);
  }
  return [...totals].map(([operation, total]) => `${operation.padEnd(18)} ${digits(total).padStart(9)} ms`);
}

/**
 * The roofline times on GPUs as a table of Markdown: computed from shapes and datasheets, nothing measured. Columns for
 * each batch; calls of a case for which they are the same share a row.
 */
export function rooflineTable(
  batches: readonly (readonly [batch: number, works: readonly Work[]])[],
  peaks: Readonly<Record<string, Peaks>>,
): string {
  const heads = batches.flatMap(([batch]) => [
    `batch ${batch}: FLOP/byte`,
    ...Object.keys(peaks).map((name) => `${name} µs`),
  ]);
  const rows = new Map<string, string[]>();
  for (const [index, { call, label }] of batches[0]![1].entries()) {
    const cells = batches.flatMap(([, works]) => {
      const { bytes, flops } = works[index]!;
      const times = Object.values(peaks).map((one) => digits(1000 * rooflineOf(bytes, flops, one)));
      return [flops ? digits(flops / bytes) : '-', ...times];
    });
    const [operation, pass] = call.split('.') as [string, string];
    const key = [operation, label, ...cells].join(' | ');
    rows.set(key, [...(rows.get(key) ?? []), pass]);
  }
  const lines = [...rows].map(([key, passes]) => key.replace(' | ', ` | ${passes.join(', ')} | `));
  const heading = ['operation', 'passes', 'shape', ...heads].join(' | ');
  const rule = ['---', '---', '---', ...heads.map(() => '---:')].join(' | ');
  return [heading, rule, ...lines].map((line) => `| ${line} |`).join('\n');
}
