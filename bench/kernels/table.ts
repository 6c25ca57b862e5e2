/** Rows and tables of the bench. */
import type { Timing } from '../lib/summary.js';
import { formatNumber } from '../lib/table.js';
import type { Call } from './calls.js';
import { bytesOf } from './calls.js';
import type { Case } from './cases.js';
import { type Peaks, rooflineOf } from './roofline.js';

/** Cost of one native call of a case. */
export interface CallCost {
  call: string;
  label: string;
  /** Number of such calls in a training step of ResNet-18. */
  count: number;
  bytes: number;
  /** 0 if the call is bound by memory. */
  flops: number;
}

export interface Row extends CallCost {
  timing: Timing;
  peer?: Timing | undefined;
}

export function costOf(benchCase: Case, call: Call): CallCost {
  const pass = call.operation.split('.')[1]!;
  return {
    call: call.operation,
    label: benchCase.label,
    count: benchCase.count ?? 0,
    bytes: benchCase.bytes?.[pass] ?? bytesOf(call),
    flops: benchCase.flops?.[pass] ?? 0,
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
    formatNumber(median),
    percent((quartiles[1] - quartiles[0]) / 2 / median),
    formatNumber(bytes / median / 1e6),
    flops ? formatNumber(flops / median / 1e6) : '-',
    percent(rooflineOf(bytes, flops, peaks) / median),
    peer ? formatNumber(peer.median) : '-',
    peer ? formatNumber(peer.median / median) : '-',
  ]);
}

/** Milliseconds per operation in a training step of ResNet-18, as the sum of its calls. */
export function stepTotals(rows: readonly Row[]): string[] {
  const totals = new Map<string, number>();
  for (const { call, count, timing } of rows) {
    const operation = call.split('.')[0]!;
    if (count) totals.set(operation, (totals.get(operation) ?? 0) + count * timing.median);
  }
  return [...totals].map(
    ([operation, total]) => `${operation.padEnd(18)} ${formatNumber(total).padStart(9)} ms`,
  );
}

/**
 * Roofline times of GPUs as a Markdown table, computed from shapes and datasheets. One group of columns per batch size.
 * Passes of a case with equal values are one row.
 */
export function rooflineTable(
  batches: readonly (readonly [batch: number, costs: readonly CallCost[]])[],
  peaks: Readonly<Record<string, Peaks>>,
): string {
  const heads = batches.flatMap(([batch]) => [
    `batch ${batch}: FLOP/byte`,
    ...Object.keys(peaks).map((name) => `${name} µs`),
  ]);
  const rows = new Map<string, string[]>();
  for (const [index, { call, label }] of batches[0]![1].entries()) {
    const cells = batches.flatMap(([, costs]) => {
      const { bytes, flops } = costs[index]!;
      const times = Object.values(peaks).map((peak) => formatNumber(1000 * rooflineOf(bytes, flops, peak)));
      return [flops ? formatNumber(flops / bytes) : '-', ...times];
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
