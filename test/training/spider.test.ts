/** A small run on real patients through the commands that a user types: table, training, pooled folds and prediction. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { DISC_LEVELS } from '#spinegrad/anatomy.js';
import { readPredictions } from '#spinegrad/evaluation/predictionsFile.js';
import type { Summary } from '#spinegrad/evaluation/types.js';
import { readCsv } from '#spinegrad/io/csv.js';
import type { Prediction } from '#spinegrad/predict/prediction.js';
import { type Ended, failure, root, run, spinegrad } from '../cli/command.js';
import { readSummary, spiderTable, temporaryFolder, trainArgs } from './runs.js';

const TASKS = ['spider/pfirrmann', 'spider/narrowing', 'spider/modic'];
/** The sixteen patients of the lowest numbers with a T2 slice. */
const PATIENTS = ['4', '5', '6', '7', '9', '12', '17', '20', '34', '37', '40', '42', '45', '47', '52', '56'];
const FOLDS = [0, 1];

const { SPINEGRAD_TEST_DATA: real } = process.env;

describe.skipIf(!real)('a run on T2 slices of 16 SPIDER patients (SPINEGRAD_TEST_DATA)', () => {
  let table: string;
  const runs: string[] = [];
  const ended: Ended[] = [];
  const predictionsOf = (fold: number) => join(runs[fold]!, 'predictions.csv');

  beforeAll(async () => {
    const names = PATIENTS.map((patient) => `${patient}_t2`);
    table = await spiderTable(real!, names);
    for (const fold of FOLDS) {
      runs.push(join(await temporaryFolder(), 'run'));
      const settings = { tasks: TASKS, 'data.folds': 3, 'data.fold': fold };
      const [, ...args] = trainArgs(runs[fold]!, table, settings);
      ended.push(await run(process.execPath, [join(root, 'train.js'), ...args]));
    }
  }, 600_000);

  it('ends without an error', () => {
    expect(ended.map(({ status, stderr }) => ({ status, error: /spinegrad: .*/.exec(stderr)?.[0] }))).toEqual(
      FOLDS.map(() => ({ status: 0, error: undefined })),
    );
  });

  it.each(FOLDS)('fold %i predicts each graded test disc per task, arm and kind of crop', async (fold) => {
    const { tasks, arms } = readSummary(runs[fold]!);
    expect(tasks.map(({ task }) => [task.id, task.ordered, task.grades.length])).toEqual([
      ['spider/pfirrmann', true, 5],
      ['spider/narrowing', true, 2],
      ['spider/modic', false, 4],
    ]);
    const lines = await readPredictions(predictionsOf(fold));
    for (const { task, classCounts } of tasks) {
      const discs = Object.values(classCounts.test).reduce((sum, count) => sum + count, 0);
      expect(discs).toBeGreaterThan(10);
      const own = lines.filter((line) => line.task === task.id);
      expect(own).toHaveLength(discs * arms.length * 2);
      const unique = new Set(own.map(({ arm, crops, study, level }) => `${arm} ${crops} ${study} ${level}`));
      expect(unique.size).toBe(own.length);
    }
  });

  it('has every patient in one set of a fold, and no patient in the test sets of both folds', async () => {
    const tested: string[] = [];
    for (const fold of FOLDS) {
      const rows = (await readCsv(join(runs[fold]!, 'split.csv'), ['study', 'split'])).map(
        ({ fields }) => fields,
      );
      expect(rows.map(({ study }) => study!).sort()).toEqual([...PATIENTS].sort());
      const test = rows.filter(({ split }) => split === 'test').map(({ study }) => study!);
      const predicted = (await readPredictions(predictionsOf(fold))).map(({ study }) => study);
      expect([...new Set(predicted)].sort()).toEqual(test.sort());
      tested.push(...test);
    }
    expect(new Set(tested).size).toBe(tested.length);
  });

  it.each(FOLDS)('fold %i has a report on its tasks only', (fold) => {
    const report = readFileSync(join(runs[fold]!, 'report.html'), 'utf8');
    const text = report.replace(/data:[a-z/+]+;base64,[A-Za-z0-9+/=]+/g, '');
    for (const name of ['Pfirrmann', 'narrowing', 'Modic']) expect(text).toContain(name);
    expect(text.match(/stenosis|RSNA/i)?.[0]).toBeUndefined();
  });

  it('is pooled by evaluate: the confusions of the folds add up', async () => {
    const json = join(await temporaryFolder(), 'pooled.json');
    const { status, stderr } = await spinegrad(
      ...['evaluate', '--predictions', ...FOLDS.map(predictionsOf), '--json', json],
    );
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    const pooled: Pick<Summary, 'tasks'> = JSON.parse(readFileSync(json, 'utf8'));
    const folds = runs.map(readSummary);
    expect(pooled.tasks.map(({ task }) => task.id)).toEqual(TASKS);
    for (const [t, { arms }] of pooled.tasks.entries()) {
      for (const [a, arm] of arms.entries()) {
        for (const crops of ['predicted', 'annotated'] as const) {
          const parts = folds.map(({ tasks }) => tasks[t]!.arms[a]![crops]);
          const sum = parts[0]!.confusion.map((row, i) =>
            row.map((count, j) => count + parts[1]!.confusion[i]![j]!),
          );
          expect(arm[crops].confusion).toEqual(sum);
          expect(arm[crops].patients).toBe(parts[0]!.patients + parts[1]!.patients);
        }
      }
    }
  });

  it('predicts a held-out slice: grades of every task, or a refusal', async () => {
    const [line] = await readPredictions(predictionsOf(0));
    const json = join(await temporaryFolder(), 'prediction.json');
    const result = await spinegrad(
      ...['predict', join(table, line!.image), '--model', runs[0]!, '--json', json],
    );
    expect([0, 3, 4]).toContain(result.status);
    if (result.status === 3) {
      expect(failure(result)).toContain('ERR_NOT_LUMBAR');
      expect(existsSync(json)).toBe(false);
      return;
    }
    const prediction: Prediction = JSON.parse(readFileSync(json, 'utf8'));
    expect(prediction.doubtful).toBe(result.status === 4);
    expect(prediction.levels.length).toBeGreaterThan(0);
    for (const { level, x, y, grades } of prediction.levels) {
      expect(DISC_LEVELS).toContain(level);
      expect(x >= 0 && y >= 0 && x < prediction.slice.columns && y < prediction.slice.rows).toBe(true);
      expect(grades.map(({ task }) => task)).toEqual(TASKS);
      for (const { probabilities } of grades)
        expect(Object.values(probabilities).reduce((sum, p) => sum + p, 0)).toBeCloseTo(1, 5);
    }
  });
});
