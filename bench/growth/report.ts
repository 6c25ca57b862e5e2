/** Tables and figure of a run, as in docs/performance.md. */
import { figureFile, lineChart, type Panel } from '#spinegrad/report/svg.js';
import { formatNumber, markdownTable } from '../lib/table.js';
import type { Point } from './measure.js';
import type { Sweep } from './sweeps.js';

export interface SweepResult {
  sweep: Sweep;
  points: readonly Point[];
}

const sizesOf = ({ points }: SweepResult): number[] => [...new Set(points.map(({ size }) => size))];
const threadsOf = ({ points }: SweepResult): number[] => [...new Set(points.map(({ threads }) => threads))];

const at = ({ points }: SweepResult, size: number, threads: number): Point =>
  points.find((point) => point.size === size && point.threads === threads)!;

export function tableOf(result: SweepResult): string {
  const { name, unit, flops } = result.sweep;
  const threads = threadsOf(result);
  const maxThreads = Math.max(...threads);
  const heading = [
    `${name}: ${unit}`,
    ...threads.map((count) => `ms, ${count} thread${count === 1 ? '' : 's'}`),
    'ms per item',
    ...(flops ? ['GFLOP/s'] : []),
    ...(threads.length > 1 ? ['speed-up'] : []),
    'peak MB',
  ];
  const rows = sizesOf(result).map((size) => {
    const point = at(result, size, maxThreads);
    const { median } = point.timing;
    return [
      String(size),
      ...threads.map((count) => formatNumber(at(result, size, count).timing.median)),
      formatNumber(median / size),
      ...(flops ? [formatNumber(flops(size) / median / 1e6)] : []),
      ...(threads.length > 1
        ? [`${formatNumber(at(result, size, threads[0]!).timing.median / median)}x`]
        : []),
      formatNumber(point.peak),
    ];
  });
  return markdownTable(heading, rows);
}

const STYLES = ['first', 'second'];

/** Milliseconds per call over size, both axes logarithmic. Linear growth has a slope of 45 degrees. */
function panelOf(result: SweepResult): Panel {
  const { name, unit } = result.sweep;
  const sizes = sizesOf(result);
  return lineChart({
    title: `${name}, ms`,
    description: `Milliseconds by ${unit}.`,
    x: sizes,
    xLabel: unit,
    logarithmic: 'xy',
    series: threadsOf(result).map((count, index) => ({
      name: `${count} thread${count === 1 ? '' : 's'}`,
      style: STYLES[index % STYLES.length]!,
      values: sizes.map((size) => at(result, size, count).timing.median),
    })),
  });
}

export function figureOf(results: readonly SweepResult[]): string {
  const panels = results.map(panelOf);
  return figureFile('Scaling', [panels.slice(0, 2), panels.slice(2)]);
}
