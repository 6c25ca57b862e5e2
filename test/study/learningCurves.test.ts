/** The validation curves of cells and their means. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { cellCurve } from '#spinegrad/study/cellCurve.js';
import { type CurvePoint, formatCurves, readCurves } from '#spinegrad/study/curvesFile.js';
import { learningCurves } from '#spinegrad/study/learningCurves.js';
import { temporaryFolder } from '../training/runs.js';

const CELLS = [0, 1].flatMap((fold) =>
  ['scratch', 'contrastive'].map((arm) => ({ fold, repeat: 0, labels: 1, arm })),
);

const curve = (fold: number, arm: string, perEpoch: number, values: readonly number[]): CurvePoint[] =>
  values.map((balancedAccuracy, i) => ({
    ...{ fold, repeat: 0, labels: 1, arm, epoch: i + 1, step: (i + 1) * perEpoch },
    balancedAccuracy,
  }));

describe('the mean curves', () => {
  const points = [
    ...curve(0, 'scratch', 10, [0.2, 0.5, 0.7, 0.75]),
    ...curve(1, 'scratch', 12, [0.4, 0.5, 0.74, 0.77, 0.9]),
    ...curve(0, 'contrastive', 10, [0.5]),
  ];
  const [block] = learningCurves(points, CELLS);

  it('are over the epochs that all cells have', () => {
    const [scratch, contrastive] = block!.arms;
    expect(block!.labels).toBe(1);
    expect(scratch!.cells).toBe(2);
    expect(scratch!.epochs.map(({ epoch, step }) => [epoch, step])).toEqual([
      [1, 11],
      [2, 22],
      [3, 33],
      [4, 44],
    ]);
    expect(scratch!.epochs[0]!.mean).toBeCloseTo(0.3, 12);
    expect(scratch!.epochs[0]!.sd).toBeCloseTo(Math.sqrt(0.02), 12);
    expect(contrastive).toMatchObject({ cells: 1, epochs: [{ step: 10, mean: 0.5, sd: 0 }] });
  });

  it('reach 95 % of the final value at the first epoch whose mean does', () => {
    const [scratch] = block!.arms;
    expect(scratch!.final).toBeCloseTo(0.76, 12);
    // 0.95 * 0.76 = 0.722: the third epoch has 0.72, the fourth 0.76.
    expect(scratch!.stepsTo95).toBe(44);
    const [later] = learningCurves(curve(0, 'scratch', 10, [0.73, 0.2, 0.76]), CELLS);
    expect(later!.arms[0]!.stepsTo95).toBe(10);
  });

  it('are empty without points', () => {
    expect(learningCurves([], CELLS)).toEqual([]);
  });
});

describe('the curve of a cell', () => {
  const rows = [
    { stage: 'localization', epoch: 1, validationErrorMm: 2 },
    { stage: 'finetuning-scratch', epoch: 1, validationBalancedAccuracy: 0.4 },
    { stage: 'finetuning-scratch', epoch: 2, validationBalancedAccuracy: 0.6 },
  ];
  const result = {
    ...{ id: 'x', seconds: 1, host: 'h', device: 'cpu', fingerprint: null },
    program: { version: '0.1.0', commit: 'unknown', date: '2026-11-29T10:00:00.000Z' },
    arm: { steps: { finetuning: 14, pretraining: 0 }, bestEpoch: 2, validationBalancedAccuracy: 0.6 },
  };

  it('has a point per epoch of the trained arm, under the name of the arm of the study', async () => {
    const dir = await temporaryFolder();
    writeFileSync(join(dir, 'metrics.jsonl'), rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
    writeFileSync(join(dir, 'result.json'), JSON.stringify(result));
    const points = await cellCurve({ ...CELLS[0]!, arm: 'longer' }, 'scratch', dir);
    expect(points).toEqual(curve(0, 'longer', 7, [0.4, 0.6]));
    const path = join(dir, 'curves.csv');
    writeFileSync(path, formatCurves(points));
    expect(await readCurves(path)).toEqual(points);
  });

  it('of a damaged file is refused', async () => {
    const dir = await temporaryFolder();
    writeFileSync(join(dir, 'metrics.jsonl'), '{"stage":"finetuning-scratch","epoch":1}\n');
    writeFileSync(join(dir, 'result.json'), JSON.stringify(result));
    await expect(cellCurve(CELLS[0]!, 'scratch', dir)).rejects.toThrow(/metrics\.jsonl: is damaged/);
  });
});
