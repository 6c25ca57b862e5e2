/** Shards have about equal work, and together all cells. */
import { describe, expect, it } from 'vitest';
import { cellConfig, cellsOf } from '#spinegrad/study/cells.js';
import { baseConfig, newPlan } from '#spinegrad/study/plan.js';
import { cellsOfShard, workOf } from '#spinegrad/study/shards.js';
import type { CellUnit } from '#spinegrad/study/units.js';

const plan = newPlan(
  {
    data: '/data',
    preset: 'demo',
    labels: [0.1, 0.25, 0.5, 1],
    arms: ['scratch', 'scratch-long', 'frozen', 'contrastive'],
  },
  1,
);
const units = cellsOf(plan as never).map(
  (cell) => ({ id: cell.id, cell, config: cellConfig(plan, baseConfig(plan), cell) }) as CellUnit,
);
/** Two rows per disc; every fifth disc has no grade. */
const manifest = {
  rois: Array.from({ length: 3000 }, (_, row) => ({
    disc: row >> 1,
    grades: [(row >> 1) % 5 === 0 ? null : 1],
  })),
} as never;
const DISCS = { all: 1500, graded: 1200 };

const work = (cells: readonly CellUnit[]) => cells.reduce((sum, cell) => sum + workOf(cell, DISCS), 0);

describe('shards', () => {
  it.each([2, 3, 7, 20])('in %i parts have each cell once and about equal work', (count) => {
    const shards = Array.from({ length: count }, (_, i) =>
      cellsOfShard(units, manifest, { index: i + 1, count }),
    );
    expect(
      shards
        .flat()
        .map(({ id }) => id)
        .sort(),
    ).toEqual(units.map(({ id }) => id).sort());
    const loads = shards.map(work);
    const mean = work(units) / count;
    for (const load of loads) expect(Math.abs(load - mean)).toBeLessThan(0.05 * mean);
    // Every n-th cell of 4 fractions x 4 arms: with 20 shards each has one fraction and arm.
    const every = shards.map((_, i) => units.filter((_, position) => position % count === i));
    const spread = (values: number[]) => Math.max(...values) / Math.min(...values);
    expect(spread(loads)).toBeLessThanOrEqual(spread(every.map(work)));
  });

  it('keep the order of work', () => {
    const own = cellsOfShard(units, manifest, { index: 2, count: 3 });
    const positions = own.map((cell) => units.indexOf(cell));
    expect(positions).toEqual([...positions].sort((a, b) => a - b));
  });

  it('of one part are all cells', () => {
    expect(cellsOfShard(units, manifest, { index: 1, count: 1 })).toEqual(units);
  });
});

describe('the work of a cell', () => {
  const of = (arm: string, labels: number) =>
    workOf(units.find(({ cell }) => cell.arm === arm && cell.labels === labels)!, DISCS);

  it('grows with the label fraction and the steps, and is smaller with a frozen encoder', () => {
    expect(of('scratch', 1)).toBeGreaterThan(3 * of('scratch', 0.1));
    expect(of('scratch-long', 1)).toBeGreaterThan(of('scratch', 1));
    expect(of('contrastive', 1)).toBe(of('scratch', 1));
    expect(of('frozen', 1)).toBeLessThan(0.6 * of('scratch', 1));
  });
});
