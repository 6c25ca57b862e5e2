/** Runs on tasks other than the default: prepare, train, evaluate and predict follow the task. */
import { readFileSync, writeFileSync } from 'node:fs';
import { cp } from 'node:fs/promises';
import { join } from 'node:path';
import { decode, encode } from 'fast-png';
import { beforeAll, describe, expect, it } from 'vitest';
import { predictCommand } from '#spinegrad/cli/predict.js';
import { prepareBank, readBank } from '#spinegrad/data/bank.js';
import { summarySchema } from '#spinegrad/evaluation/types.js';
import { RSNA_TASKS } from '#spinegrad/tasks/rsna.js';
import type { Task } from '#spinegrad/tasks/task.js';
import { evaluateModel } from '#spinegrad/training/evaluateModel.js';
import { silent } from '#spinegrad/training/progress.js';
import { failure, spinegrad } from '../cli/command.js';
import { changeModel } from '../model/file.js';
import { HERNIATION, MODIC, PFIRRMANN } from '../tasks/examples.js';
import {
  evaluated,
  readLog,
  readSummary,
  temporaryFolder,
  tensorsOf,
  tinyStudies,
  trainArgs,
  trainHere,
  trainRun,
} from './runs.js';

const FORAMEN = RSNA_TASKS[1]!;
const SUBARTICULAR = RSNA_TASKS[3]!;

const namesOf = ({ grades }: Task) => grades.map(({ name }) => name);
const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);

describe.each([PFIRRMANN, HERNIATION, MODIC])('a run on $id', (task) => {
  const names = namesOf(task);
  let data: string;
  let dir: string;

  beforeAll(async () => {
    data = await tinyStudies(undefined, task);
    dir = await temporaryFolder();
    // The coordinate regression finds discs on any image, also after two epochs.
    await trainHere(dir, data, { tasks: [task.id], 'localization.network': 'regression' });
  });

  it('counts and evaluates the grades of the task', async () => {
    const summary = readSummary(dir);
    expect(summarySchema.parse(summary)).toEqual(summary);
    expect(summary.tasks[0]!.task).toEqual(task);
    expect(summary.data.discs).toBe(10 * task.levels.length);
    expect(Object.keys(summary.tasks[0]!.classCounts.train)).toEqual(names);
    expect(sum(Object.values(summary.tasks[0]!.classCounts.train))).toBe(6 * task.levels.length);
    for (const { annotated } of summary.tasks[0]!.arms) {
      expect(Object.keys(annotated.recall)).toEqual(names);
      expect(annotated.confusion.map((row) => row.length)).toEqual(names.map(() => names.length));
      expect(sum(annotated.confusion.flat())).toBe(2 * task.levels.length);
      expect(annotated.mostSevereAsMildest !== null).toBe(task.ordered);
    }
    const epoch = readLog(dir).find(({ stage }) => stage === 'finetuning-scratch')!;
    const { recall } = (epoch.validationTasks as Record<string, { recall: object }>)[task.id]!;
    expect(Object.keys(recall)).toEqual(names);
    const weights = await tensorsOf(dir, 'weights/grader-scratch.safetensors');
    expect(weights.get(`heads.${task.id.replace('/', '_')}.weight`)!.shape[0]).toBe(names.length);
  });

  it('is evaluated again with the same numbers, and on other studies', async () => {
    const { signal } = new AbortController();
    const options = { model: dir, device: 'cpu', progress: silent, signal } as const;
    expect(await evaluateModel(options)).toMatchObject(evaluated(readSummary(dir)));
    const other = await evaluateModel({ ...options, data, includeTraining: true });
    expect(sum(other.tasks[0]!.arms[0]!.annotated.confusion.flat())).toBe(10 * task.levels.length);
  });

  it('predicts the levels and grades of the task', async () => {
    const [png, json, overlay] = ['slice.png', 'out.json', 'out.png'].map((name) => join(dir, name));
    const pixels = Uint8Array.from({ length: 1600 }, (_, i) => (i * 7) % 251);
    writeFileSync(png!, encode({ width: 40, height: 40, data: pixels, channels: 1, depth: 8 }));
    const flags = [
      '--model',
      dir,
      '--spacing',
      '1',
      '--device',
      'cpu',
      '--json',
      json!,
      '--overlay',
      overlay!,
    ];
    await predictCommand().parseAsync([png!, ...flags], { from: 'user' });
    expect(process.exitCode).toBe(4); // the regression cannot state how certain it is
    process.exitCode = 0;
    const { levels } = JSON.parse(readFileSync(json!, 'utf8'));
    expect(levels.map(({ level }: { level: string }) => level)).toEqual(task.levels);
    for (const { grades } of levels) {
      expect(grades).toHaveLength(1);
      const [{ task: id, grade, probabilities }] = grades;
      expect(id).toBe(task.id);
      expect(Object.keys(probabilities)).toEqual(names);
      expect(probabilities[grade]).toBe(Math.max(...(Object.values(probabilities) as number[])));
    }
    expect(decode(readFileSync(overlay!)).width).toBeGreaterThan(0);
  });

  it('does not read a bank with a grade that the task does not have', async () => {
    const bank = join(await temporaryFolder(), 'bank');
    await cp(join(dir, 'bank'), bank, { recursive: true });
    const manifest = join(bank, 'manifest.json');
    const last = `"grades":[${names.length - 1}]`;
    const changed = readFileSync(manifest, 'utf8').replace(last, `"grades":[${names.length}]`);
    writeFileSync(manifest, changed);
    await expect(readBank(bank)).rejects.toMatchObject({
      code: 'ERR_BANK_MANIFEST',
      message: expect.stringContaining(`found grade ${names.length}`),
    });
  });
});

describe('an RSNA condition on sagittal T1', () => {
  let data: string;
  let dir: string;

  beforeAll(async () => {
    data = await tinyStudies(undefined, FORAMEN);
    dir = await temporaryFolder();
  });

  it('is trained and evaluated; predict needs the series, and a resume with another task is refused', async () => {
    const ended = await trainRun(dir, data, { tasks: [FORAMEN.id] });
    expect(ended.status).toBe(0);
    const summary = readSummary(dir);
    expect(summary.data.discs).toBe(50);
    expect(readFileSync(join(dir, 'report.html'), 'utf8')).toMatch(
      /Grading of left neural foraminal narrowing from Sagittal T1 MRI/,
    );
    const { stdout } = await spinegrad('evaluate', '--model', dir, '--device', 'cpu');
    expect(JSON.parse(stdout)).toMatchObject(evaluated(summary));
    const predicted = await spinegrad('predict', data, '--model', dir);
    expect(failure(predicted)).toMatch(/ERR_SERIES_NOT_FOUND: .*: no sagittal T1 series/);
    const resumed = await spinegrad(...trainArgs(dir, data, { tasks: [PFIRRMANN.id] }), '--resume');
    expect(failure(resumed)).toMatch(/ERR_RESUME: .*tasks\.0 is "test\/pfirrmann"/);
    const other = await spinegrad(...trainArgs(dir, data, { tasks: [SUBARTICULAR.id] }), '--resume');
    expect(failure(other)).toMatch(
      /ERR_RESUME: .*tasks\.0 is "rsna\/left_subarticular_stenosis", .*"rsna\/left_neural/,
    );
  });

  it('refuses a bank and a model.json of another task, and names both', async () => {
    const changed = await temporaryFolder();
    await cp(dir, changed, { recursive: true });
    await prepareBank({ data: await tinyStudies(), out: join(changed, 'bank') });
    const both = /rsna\/spinal_canal_stenosis.*rsna\/left_neural_foraminal_narrowing/;
    for (const args of [
      trainArgs(changed, data, { tasks: [FORAMEN.id] }).concat('--resume'),
      ['evaluate', '--model', changed],
    ]) {
      const ended = await spinegrad(...args);
      expect(failure(ended)).toMatch(/ERR_TASK_MISMATCH/);
      expect(failure(ended)).toMatch(both);
    }
    const model = await temporaryFolder();
    await cp(dir, model, { recursive: true });
    changeModel(model, ({ trainedOn }) => {
      trainedOn.tasks = [RSNA_TASKS[0]!];
    });
    const ended = await spinegrad('evaluate', '--model', model);
    expect(failure(ended)).toMatch(/ERR_TASK_MISMATCH: .*model\.json/);
    expect(failure(ended)).toMatch(both);
  });
});

it('train refuses a task without data that phantoms have no grades for', async () => {
  const ended = await spinegrad(...trainArgs(await temporaryFolder(), null, { tasks: ['rsna/scoliosis'] }));
  expect(failure(ended)).toMatch(/ERR_TASK_PHANTOM: train: phantoms have no grades for task rsna\/scoliosis/);
  expect(ended.status).toBe(2);
});
