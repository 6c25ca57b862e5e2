/** NaN and infinity are errors in every command; no grade, metric or checkpoint is computed from them. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { cp } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { type StoredTensor, writeSafetensors } from '#spinegrad/io/safetensors.js';
import { readModel } from '#spinegrad/model/readModel.js';
import { failure, spinegrad } from '../cli/command.js';
import { SERIES } from '../data/layout.js';
import { changeModel } from '../model/file.js';
import { has, idsOf, temporaryFolder, tensorsOf, tinyStudies, trainHere, trainRun } from './runs.js';

let data: string;
let finished: string;
let input: string;

beforeAll(async () => {
  data = await tinyStudies();
  finished = await temporaryFolder();
  await trainHere(finished, data);
  input = join(data, 'train_images', idsOf(data)[0]!, SERIES);
});

/** A copy of the finished run in which one weight of all graders is `value`. */
async function brokenModel(value: number, { hashed }: { hashed: boolean }): Promise<string> {
  const dir = await temporaryFolder();
  await cp(finished, dir, { recursive: true });
  const hashes = new Map<string, string>();
  for (const { weights } of (await readModel(dir)).arms) {
    const tensors = await tensorsOf(dir, weights.file);
    tensors.get('encoder.layer2.0.conv1.weight')!.data[0] = value;
    const file = join(dir, weights.file);
    await writeSafetensors(file, tensors as Map<string, StoredTensor & { data: Float32Array }>);
    const hash = createHash('sha256').update(readFileSync(file)).digest('hex');
    hashes.set(weights.file, hashed ? hash : weights.sha256);
  }
  changeModel(dir, ({ arms }) => {
    for (const { weights } of arms) weights.sha256 = hashes.get(weights.file);
  });
  return dir;
}

it.each([Number.NaN, Infinity])('predict and evaluate refuse a model with the weight %d', async (value) => {
  const model = await brokenModel(value, { hashed: true });
  const line =
    /ERR_NOT_FINITE: .*grader-\w+\.safetensors: 'encoder\.layer2\.0\.conv1\.weight': found (NaN|Infinity)/;
  for (const args of [['predict', input], ['evaluate']]) {
    const ended = await spinegrad(...args, '--model', model, '--device', 'cpu');
    expect(failure(ended)).toMatch(line);
    expect(ended).toMatchObject({ status: 1, stdout: '' });
  }
});

it('predict and evaluate refuse weights that are not the ones in model.json', async () => {
  const model = await brokenModel(0.5, { hashed: false });
  for (const args of [['predict', input], ['evaluate']]) {
    const ended = await spinegrad(...args, '--model', model, '--device', 'cpu');
    expect(failure(ended)).toMatch(
      /ERR_MODEL_WEIGHTS: .*grader-\w+\.safetensors: .*copy the run's folder again/,
    );
    expect(ended).toMatchObject({ status: 1, stdout: '' });
  }
});

it.each(['pretraining', 'localization', 'finetuning'])(
  'train stops if %s diverges, and saves no checkpoint of it',
  async (stage) => {
    const dir = await temporaryFolder();
    const ended = await trainRun(dir, data, {
      [`${stage}.learningRate`]: 1e38,
      [`${stage}.warmupEpochs`]: 0,
      'pretraining.epochs': 1,
      'localization.epochs': 1,
      'finetuning.epochs': 1,
    });
    expect(failure(ended)).toMatch(
      new RegExp(`ERR_DIVERGED: ${stage}.*; lower ${stage}\\.learningRate and start a new run`),
    );
    expect(ended.status).toBe(1);
    const name = stage === 'finetuning' ? 'finetuning-scratch' : stage;
    expect(has(dir, `checkpoints/${name}.safetensors`)).toBe(false);
    expect(has(dir, 'model.json')).toBe(false);
  },
);
