/** The tables and the figure of docs/performance.md. */
import { figureFile, lineChart, type Panel } from '#spinegrad/report/svg.js';
import { digits, markdown } from '../lib/table.js';
import type { Point } from './measure.js';
import type { Sweep } from './sweeps.js';

export interface Growth {
  sweep: Sweep;
  points: readonly Point[];
}

const sizesOf = ({ points }: Growth): number[] => [...new Set(points.map(({ size }) => size))];
const threadsOf = ({ points }: Growth): number[] => [...new Set(points.map(({ threads }) => threads))];

const at = ({ points }: Growth, size: number, threads: number): Point =>
  points.find((point) => point.size === size && point.threads === threads)!;

export function tableOf(growth: Growth): string {
  const { name, unit, flops } = growth.sweep;
  const threads = threadsOf(growth);
  const most = Math.max(...threads);
  const heading = [
    `${name}: ${unit}`,
    ...threads.map((count) => `ms, ${count} thread${count === 1 ? '' : 's'}`),
    'ms each',
    ...(flops ? ['GFLOP/s'] : []),
    ...(threads.length > 1 ? ['threads gain'] : []),
    'peak MB',
  ];
  const rows = sizesOf(growth).map((size) => {
    const best = at(growth, size, most);
    const { median } = best.timing;
    return [
      String(size),
      ...threads.map((count) => digits(at(growth, size, count).timing.median)),
      digits(median / size),
      ...(flops ? [digits(flops(size) / median / 1e6)] : []),
      ...(threads.length > 1 ? [`${digits(at(growth, size, threads[0]!).timing.median / median)}x`] : []),
      digits(best.peak),
    ];
  });
  return markdown(heading, rows);
}

const STYLES = ['first', 'second'];

/** Milliseconds of a whole call over its size, both logarithmic: what grows in proportion rises by 45 degrees. */
function panelOf(growth: Growth): Panel {
  const { name, unit } = growth.sweep;
  const sizes = sizesOf(growth);
  return lineChart({
    title: `${name}, ms`,
    description: `Milliseconds by ${unit}.`,
    x: sizes,
    xLabel: unit,
    logarithmic: true,
    series: threadsOf(growth).map((count, index) => ({
      name: `${count} thread${count === 1 ? '' : 's'}`,
      style: STYLES[index % STYLES.length]!,
      values: sizes.map((size) => at(growth, size, count).timing.median),
    })),
  });
}

export function figureOf(growths: readonly Growth[]): string {
  const panels = growths.map(panelOf);
  return figureFile('How cost grows', [panels.slice(0, 2), panels.slice(2)]);
}
