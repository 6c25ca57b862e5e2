/** A run with the head coral, through train, resume, evaluate and predict. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { failure, spinegrad } from '../cli/command.js';
import { SERIES } from '../data/layout.js';
import {
  evaluated,
  idsOf,
  outcome,
  readLog,
  readSummary,
  stoppedRun,
  temporaryFolder,
  tensorsOf,
  tinyStudies,
  trainArgs,
  trainHere,
  trainRun,
} from './runs.js';

// The coordinate regression finds discs on any image, also after two epochs.
const SETTINGS = { 'finetuning.head': 'coral', 'localization.network': 'regression' };

let data: string;
let dir: string;
let reference: Awaited<ReturnType<typeof outcome>>;

beforeAll(async () => {
  data = await tinyStudies();
  dir = await temporaryFolder();
  await trainHere(dir, data, SETTINGS);
  reference = await outcome(dir);
});

it('trains finite losses and records the head with its layers', async () => {
  const rows = readLog(dir).filter(({ stage }) => `${stage}`.startsWith('finetuning-'));
  expect(rows).toHaveLength(6);
  for (const { trainLoss, validationLoss } of rows) {
    expect(trainLoss).toBeGreaterThan(0);
    expect(validationLoss).toBeGreaterThan(0);
  }
  const { arms } = JSON.parse(readFileSync(join(dir, 'model.json'), 'utf8'));
  for (const { network } of arms) expect(network).toMatchObject({ heads: [{ head: 'coral', grades: 3 }] });
  const names = [...(await tensorsOf(dir, 'weights/grader-scratch.safetensors')).keys()];
  const prefix = 'heads.rsna_spinal_canal_stenosis';
  expect(names.filter((name) => name.startsWith('heads.')).sort()).toEqual([
    `${prefix}.gaps`,
    `${prefix}.score.bias`,
    `${prefix}.score.weight`,
  ]);
});

it('resumes to the same bits', async () => {
  const stopped = await temporaryFolder();
  const { signal } = await stoppedRun(trainArgs(stopped, data, SETTINGS), [
    'checkpoints/finetuning-frozen',
    2,
    'SIGKILL',
  ]);
  expect(signal).toBe('SIGKILL');
  const { status } = await spinegrad('train', '--device', 'cpu', '--resume', '--out', stopped);
  expect(status).toBe(0);
  expect(await outcome(stopped)).toEqual(reference);
});

it('is evaluated with the numbers of the run', async () => {
  const { status, stdout } = await spinegrad('evaluate', '--model', dir, '--device', 'cpu');
  expect(status).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject(evaluated(readSummary(dir)));
});

it('predicts the grade with the largest probability', async () => {
  const input = join(data, 'train_images', idsOf(data)[0]!, SERIES);
  const { status, stdout } = await spinegrad('predict', input, '--model', dir, '--device', 'cpu');
  expect(status).toBe(4); // the regression cannot state how certain it is, so the grades are doubtful
  const { levels } = JSON.parse(stdout);
  expect(levels).toHaveLength(5);
  for (const { grades } of levels) {
    const [{ grade, probabilities }] = grades;
    const values = Object.values(probabilities) as number[];
    expect(values.reduce((sum, p) => sum + p, 0)).toBeCloseTo(1, 5);
    expect(Math.min(...values)).toBeGreaterThanOrEqual(0);
    expect(probabilities[grade]).toBe(Math.max(...values));
  }
});

it('does not resume a run of another head', async () => {
  const ended = await spinegrad('train', '--resume', '--out', dir, '--set', 'finetuning.head=softmax');
  expect(failure(ended)).toMatch(/ERR_RESUME: .*config\.finetuning\.head is "softmax".* with "coral"/);
});

it('refuses a head that does not exist', async () => {
  const ended = await trainRun(await temporaryFolder(), data, { 'finetuning.head': 'probit' });
  expect(failure(ended)).toMatch(/ERR_CONFIG: .*finetuning\.head: found "probit"; .*"softmax"\|"coral"/);
});
