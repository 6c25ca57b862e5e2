/** A run on two tasks that share the encoder; many discs have a grade of only one of them. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { readModel } from '#spinegrad/model/readModel.js';
import { DEFAULT_TASK, registerTask, taskOf } from '#spinegrad/tasks/index.js';
import type { Task } from '#spinegrad/tasks/task.js';
import { evaluateModel } from '#spinegrad/training/evaluateModel.js';
import { silent } from '#spinegrad/training/progress.js';
import { MODIC } from '../tasks/examples.js';
import { outcome, readLog, readSummary, temporaryFolder, tensorsOf, tinyStudies, trainHere } from './runs.js';

const CANAL = taskOf(DEFAULT_TASK);
/** The same column with two grades; a disc without stenosis has no grade. */
const STENOSIS: Task = {
  ...CANAL,
  id: 'test/stenosis',
  title: 'grade of the stenosis',
  grades: CANAL.grades.slice(1),
};
registerTask(STENOSIS);

const TASKS = [CANAL, STENOSIS];
const SETTINGS = {
  tasks: TASKS.map(({ id }) => id),
  'finetuning.head': 'corn',
  'finetuning.heads': { [STENOSIS.id]: 'binary' },
};
const total = (counts: Record<string, number>) =>
  Object.values(counts).reduce((sum, count) => sum + count, 0);

let data: string;
let dir: string;

beforeAll(async () => {
  data = await tinyStudies();
  dir = await temporaryFolder();
  await trainHere(dir, data, SETTINGS);
});

describe('a run on two tasks', () => {
  it('records tasks and heads, and a loss and metrics of each task per epoch', async () => {
    const { trainedOn, arms } = await readModel(dir);
    expect(trainedOn.tasks).toEqual(TASKS);
    for (const { network } of arms) {
      expect(network.heads).toEqual([
        { task: CANAL.id, head: 'corn', grades: 3 },
        { task: STENOSIS.id, head: 'binary', grades: 2 },
      ]);
    }
    const weights = await tensorsOf(dir, 'weights/grader-scratch.safetensors');
    expect(weights.get('heads.rsna_spinal_canal_stenosis.bias')!.shape).toEqual([2]);
    expect(weights.get('heads.test_stenosis.bias')!.shape).toEqual([1]);
    const epochs = readLog(dir).filter(({ stage }) => stage === 'finetuning-contrastive');
    expect(epochs).toHaveLength(2);
    for (const { trainLoss, validationBalancedAccuracy, validationTasks } of epochs) {
      expect(trainLoss).toBeGreaterThan(0);
      const results = Object.values(validationTasks as Record<string, { balancedAccuracy: number }>);
      expect(results).toHaveLength(2);
      const [first, second] = results.map(({ balancedAccuracy }) => balancedAccuracy) as [number, number];
      expect(validationBalancedAccuracy).toBe((first + second) / 2);
    }
  });

  it('grades each task on the test discs that have a grade of it', async () => {
    const { signal } = new AbortController();
    const { tasks } = await evaluateModel({ model: dir, device: 'cpu', progress: silent, signal });
    const { classCounts } = JSON.parse(readFileSync(join(dir, 'bank/manifest.json'), 'utf8'));
    expect(tasks.map(({ task }) => task.id)).toEqual(SETTINGS.tasks);
    for (const { task, arms, comparisons } of tasks) {
      const discs = total(classCounts[task.id].test);
      expect(arms.map(({ name }) => name)).toEqual(['scratch', 'frozen', 'contrastive']);
      for (const arm of arms) {
        for (const { confusion, recall } of [arm.predicted, arm.annotated]) {
          expect(Object.keys(recall)).toEqual(task.grades.map(({ name }) => name));
          expect(confusion.flat().reduce((sum, count) => sum + count)).toBe(discs);
        }
      }
      expect(comparisons.predicted).toHaveLength(3);
      expect(comparisons.annotated).toHaveLength(3);
    }
    const [canal, stenosis] = tasks.map(({ task }) => total(classCounts[task.id].test)) as [number, number];
    expect(stenosis).toBeGreaterThan(0);
    expect(stenosis).toBeLessThan(canal);
    expect(existsSync(join(dir, 'report.html'))).toBe(true);
    expect(readSummary(dir).arms).toHaveLength(3);
  });

  it('has the same bits for the same seed', async () => {
    const again = await temporaryFolder();
    await trainHere(again, data, SETTINGS);
    expect(await outcome(again)).toEqual(await outcome(dir));
  });
});

describe('settings that do not fit the tasks are refused before a stage begins', () => {
  it.each<[string, Record<string, unknown>, RegExp]>([
    [
      'a head of another task',
      { 'finetuning.heads': { [MODIC.id]: 'softmax' } },
      /finetuning\.heads: 'test\/modic' is not a task of this run; expected one of rsna\/spinal_canal_stenosis/,
    ],
    ['a head that does not fit', { 'finetuning.head': 'binary' }, /'binary' is for two grades/],
  ])('%s', async (_, settings, message) => {
    const refused = await temporaryFolder();
    await expect(trainHere(refused, data, settings)).rejects.toMatchObject({
      code: 'ERR_CONFIG',
      message: expect.stringMatching(message),
    });
    expect(existsSync(join(refused, 'checkpoints'))).toBe(false);
  });

  it('balanced sampling of several tasks', async () => {
    const settings = { ...SETTINGS, 'finetuning.sampling': 'balanced' };
    await expect(trainHere(await temporaryFolder(), data, settings)).rejects.toMatchObject({
      code: 'ERR_CONFIG',
      message: expect.stringMatching(/finetuning\.sampling: 'balanced' is for one task, this run has 2/),
    });
  });
});
