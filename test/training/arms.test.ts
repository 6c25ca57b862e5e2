/** Runs of other arms than the default ones. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { writeSafetensors } from '#spinegrad/io/safetensors.js';
import { armSettings } from '#spinegrad/training/armSettings.js';
import { armsOf } from '#spinegrad/training/arms.js';
import { resolveConfig } from '#spinegrad/training/config.js';
import { failure, spinegrad } from '../cli/command.js';
import {
  readLog,
  readSummary,
  temporaryFolder,
  tensorsOf,
  tinyStudies,
  trainArgs,
  trainHere,
  trainRun,
} from './runs.js';

describe('the settings of an arm', () => {
  const [long] = armsOf({ arms: ['scratch-long'] });
  const discs = { all: 100, graded: 70 };

  it('extend a long arm by at least the steps of pretraining', () => {
    const config = resolveConfig('demo', {
      pretraining: { epochs: 7, discs: 32 },
      finetuning: { epochs: 5, batch: 16 },
    });
    const { settings, steps } = armSettings(config, discs, long!);
    // Pretraining: 7 epochs of 3 steps; fine-tuning: 4 steps per epoch.
    expect(settings.epochs).toBe(5 + Math.ceil(21 / 4));
    expect(steps).toEqual({ finetuning: 44, pretraining: 0 });
    const [contrastive] = armsOf({ arms: ['contrastive'] });
    expect(armSettings(config, discs, contrastive!).steps).toEqual({ finetuning: 20, pretraining: 21 });
  });

  it('give a small training set as many epochs as hold the minimum of steps', () => {
    const changes = (minSteps: number) =>
      resolveConfig('demo', {
        pretraining: { epochs: 7, discs: 32 },
        finetuning: { epochs: 5, batch: 16, minSteps },
      });
    const [scratch] = armsOf({ arms: ['scratch'] });
    expect(armSettings(changes(30), discs, scratch!).steps.finetuning).toBe(32);
    expect(armSettings(changes(20), discs, scratch!).steps.finetuning).toBe(20);
    expect(armSettings(changes(30), discs, long!).settings.epochs).toBe(8 + Math.ceil(21 / 4));
  });

  it('take the learning rate and the epochs of one arm from finetuning.arms', () => {
    const config = resolveConfig('demo', {
      finetuning: { arms: { 'scratch-long': { epochs: 9, learningRate: 0.5 } } },
    });
    const { settings } = armSettings(config, discs, long!);
    expect([settings.epochs, settings.learningRate]).toEqual([9, 0.5]);
    const [scratch] = armsOf({ arms: ['scratch'] });
    expect(armSettings(config, discs, scratch!).settings).toMatchObject({
      epochs: config.finetuning.epochs,
      learningRate: config.finetuning.learningRate,
    });
  });
});

describe('a run with --arms', () => {
  const REGRESSION = { 'localization.network': 'regression' };
  let data: string;
  let first: string;
  let weights: string;
  let dir: string;

  beforeAll(async () => {
    data = await tinyStudies();
    first = await temporaryFolder();
    await trainHere(first, data, { ...REGRESSION, arms: ['scratch'] });
    const stored = await tensorsOf(first, 'weights/grader-scratch.safetensors');
    const encoder = [...stored].flatMap(([name, { shape, data: values }]) => {
      const [, inner] = /^encoder\.((?!layer4).*)$/.exec(name) ?? [];
      return inner === undefined ? [] : [[inner, { shape, data: values as Float32Array }] as const];
    });
    weights = join(await temporaryFolder(), 'resnet.safetensors');
    await writeSafetensors(weights, new Map(encoder));
    dir = await temporaryFolder();
    await trainHere(
      dir,
      data,
      {
        ...REGRESSION,
        arms: ['imported', 'scratch-long', 'random', 'contrastive'],
        'encoder.weights': weights,
        'finetuning.arms.imported': { epochs: 1, learningRate: 1e-12 },
      },
      first,
    );
  });

  it('does not pretrain if no arm needs it, and compares nothing', () => {
    expect(new Set(readLog(first).map(({ stage }) => stage))).toEqual(
      new Set(['localization', 'finetuning-scratch']),
    );
    const { arms, tasks, pretraining } = readSummary(first);
    expect(arms.map(({ name }) => name)).toEqual(['scratch']);
    expect(tasks[0]!.comparisons.predicted).toEqual([]);
    expect(pretraining.epochs).toBe(0);
  });

  it('trains, evaluates and compares the arms in the order of the setting', () => {
    const { arms, tasks } = readSummary(dir);
    const names = ['imported', 'scratch-long', 'random', 'contrastive'];
    expect(arms.map(({ name }) => name)).toEqual(names);
    expect(tasks[0]!.arms.map(({ name }) => name)).toEqual(names);
    expect(tasks[0]!.comparisons.annotated.map(({ a, b }) => [a, b])).toEqual([
      ['scratch-long', 'imported'],
      ['random', 'imported'],
      ['random', 'scratch-long'],
      ['contrastive', 'imported'],
      ['contrastive', 'scratch-long'],
      ['contrastive', 'random'],
    ]);
    const { arms: described } = JSON.parse(readFileSync(join(dir, 'model.json'), 'utf8'));
    expect(described.map(({ name }: { name: string }) => name)).toEqual(names);
  });

  it('fine-tunes the imported weights, and leaves the layers that the file does not have random', async () => {
    const before = await tensorsOf(weights);
    const after = await tensorsOf(dir, 'weights/grader-imported.safetensors');
    const conv = 'layer1.0.conv1.weight';
    expect(after.get(`encoder.${conv}`)!.data).toEqual(before.get(conv)!.data);
    expect(before.has('layer4.0.conv1.weight')).toBe(false);
    expect(readLog(dir).filter(({ stage }) => stage === 'finetuning-imported')).toHaveLength(1);
    const report = readFileSync(join(dir, 'report.html'), 'utf8');
    expect(report).toContain('random: layer4');
  });

  it('leave the weights of a random encoder as they were drawn, and give it the batch-norm statistics of the data', async () => {
    const random = await tensorsOf(dir, 'weights/grader-random.safetensors');
    const scratch = await tensorsOf(first, 'weights/grader-scratch.safetensors');
    const weight = (tensors: typeof random) => tensors.get('encoder.layer4.0.conv1.weight')!.data;
    expect(weight(random)).not.toEqual(weight(scratch));
    const norms = [...random].filter(([name]) => name.endsWith('bn1.weight'));
    expect(norms.length).toBeGreaterThan(1);
    for (const [, { data: gains }] of norms) expect(new Set(gains)).toEqual(new Set([1]));
    const variances = random.get('encoder.bn1.running_var')!.data as Float32Array;
    expect(variances.every((variance) => Math.abs(variance - 1) < 0.02)).toBe(false);
  });

  it('reports the number of optimizer steps of each arm', () => {
    const report = readFileSync(join(dir, 'report.html'), 'utf8');
    // 30 discs in batches of 8: 3 steps per epoch. Pretraining: 2 epochs of 7 steps in batches of 4.
    expect(report).toContain('6 steps after 14 of pretraining');
    expect(report).toContain('together; 21 steps');
    expect(readLog(dir).filter(({ stage }) => stage === 'finetuning-scratch-long')).toHaveLength(2 + 5);
  });

  it('is evaluated again with the numbers of the run', async () => {
    const { status, stdout } = await spinegrad('evaluate', '--model', dir, '--device', 'cpu');
    expect(status).toBe(0);
    expect(JSON.parse(stdout).tasks[0].arms).toEqual(readSummary(dir).tasks[0]!.arms);
  });

  it.each<[string[], RegExp]>([
    [['--arms', 'scratch,forest'], /arms\.1: found "forest"; .*"scratch"\|"scratch-long"/],
    [['--arms', 'scratch,scratch'], /arms: found \["scratch","scratch"\]; expected each arm once/],
    [['--arms', 'imported'], /encoder\.weights: found nothing; expected a safetensors file/],
  ])('refuses %j', async (args, message) => {
    const ended = await spinegrad(...trainArgs(await temporaryFolder(), data), ...args);
    expect(failure(ended)).toMatch(message);
  });

  it('refuses a file of another width before anything is trained', async () => {
    const folder = await temporaryFolder();
    const settings = { arms: ['imported'], 'encoder.weights': weights, 'encoder.width': 8 };
    const ended = await trainRun(folder, data, settings);
    expect(failure(ended)).toMatch(/ERR_WEIGHTS: .*resnet\.safetensors: .*set encoder\.width/);
    expect(() => readLog(folder)).toThrow();
  });
});
