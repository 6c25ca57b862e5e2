/** Complete runs: their files, and what their results depend on. */
import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { LEVELS } from '#spinegrad/anatomy.js';
import { splitOf } from '#spinegrad/data/split.js';
import type { BankManifest } from '#spinegrad/data/types.js';
import { type Summary, summarySchema } from '#spinegrad/evaluation/types.js';
import type { StoredTensor } from '#spinegrad/io/safetensors.js';
import type { Ended } from '../cli/command.js';
import {
  outcome,
  readLog,
  readSummary,
  type Settings,
  temporaryFolder,
  tensorsOf,
  tinyStudies,
  trainHere,
  trainRun,
} from './runs.js';

let data: string;
let dir: string;
let ended: Ended;
let reference: Awaited<ReturnType<typeof outcome>>;

beforeAll(async () => {
  data = await tinyStudies();
  dir = await temporaryFolder();
  ended = await trainRun(dir, data);
  reference = await outcome(dir);
});

const ARMS = ['scratch', 'frozen', 'contrastive'] as const;
const STAGES = ['pretraining', 'localization', ...ARMS.map((arm) => `finetuning-${arm}`)];

describe('a finished run', () => {
  it('exits with 0 and prints the path of the report', () => {
    expect(ended.status).toBe(0);
    expect(ended.stdout).toContain(`report: ${join(dir, 'report.html')}`);
  });

  it('has all results, weights and checkpoints', () => {
    const expected = [
      ...['config.json', 'metrics.jsonl', 'summary.json', 'report.html', 'model.json'],
      ...['predictions.csv', 'localization.csv'],
    ];
    const folders = ['bank', 'weights', 'figures', 'checkpoints'];
    expect(readdirSync(dir)).toEqual(expect.arrayContaining([...expected, ...folders]));
  });

  it('writes a summary.json that fits its schema', () => {
    const summary: Summary = readSummary(dir);
    expect(summarySchema.parse(summary)).toEqual(summary);
    expect(summary.tasks.map(({ task }) => task.id)).toEqual(['rsna/spinal_canal_stenosis']);
    expect(Object.keys(summary.localization.perLevel)).toEqual(LEVELS);
    expect(summary.data).toMatchObject({
      name: basename(data),
      layout: 'rsna',
      series: ['Sagittal T2/STIR'],
      synthetic: false,
      studies: 10,
      discs: 50,
      skipped: [],
    });
    expect(summary.data.split).toEqual({ train: 6, validation: 2, test: 2 });
    expect(summary.arms.map(({ name }) => name)).toEqual(ARMS);
    for (const { annotated, predicted } of summary.tasks[0]!.arms) {
      for (const { confusion, recall } of [annotated, predicted]) {
        expect(Object.keys(recall)).toEqual(['normal', 'moderate', 'severe']);
        expect(confusion.map((row) => row.length)).toEqual([3, 3, 3]);
        expect(confusion.flat().reduce((a, b) => a + b)).toBe(10);
      }
    }
    for (const curve of ['trainLoss', 'validationLoss', 'learningRate'] as const) {
      expect(summary.pretraining[curve]).toHaveLength(summary.pretraining.epochs);
    }
  });

  it('has a log of one line per epoch, in the order of the stages', () => {
    expect(reference.log.map(({ stage, epoch }) => `${stage} ${epoch}`)).toEqual(
      STAGES.flatMap((stage) => [`${stage} 1`, `${stage} 2`]),
    );
    for (const { trainLoss } of reference.log) expect(trainLoss).toBeGreaterThan(0);
  });

  it('has no patient on two sides of the split', () => {
    const manifest = JSON.parse(readFileSync(join(dir, 'bank/manifest.json'), 'utf8')) as BankManifest;
    for (const { studyId, split } of [...manifest.rois, ...manifest.slices]) {
      expect(split).toBe(splitOf(studyId, manifest.split));
    }
    expect(new Set(manifest.rois.map(({ studyId }) => studyId)).size).toBe(10);
    const [header, ...lines] = readFileSync(join(dir, 'split.csv'), 'utf8').trimEnd().split('\n');
    expect(header).toBe('study,split');
    expect(lines).toEqual(
      [...new Set(manifest.rois.map(({ studyId }) => studyId))].map(
        (studyId) => `${studyId},${splitOf(studyId, manifest.split)}`,
      ),
    );
  });
});

describe('the results of a run', () => {
  it('have the same bits for the same seed, also in another process', async () => {
    const again = await temporaryFolder();
    await trainHere(again, data);
    expect(await outcome(again)).toEqual(reference);
  });

  it('have other weights for another seed, on the same crops', async () => {
    const other = await temporaryFolder();
    await trainHere(other, data, { seed: 2 });
    const splitOfRun = (folder: string) => readFileSync(join(folder, 'split.csv'), 'utf8');
    expect(splitOfRun(other)).toBe(splitOfRun(dir));
    const { tensors } = await outcome(other);
    for (const [name, bits] of Object.entries(tensors)) {
      if (name.startsWith('bank/')) expect(bits).toBe(reference.tensors[name]);
      else expect(bits).not.toBe(reference.tensors[name]);
    }
  });

  it('do not depend on the test patients: other images and grades there change no weight and no best epoch', async () => {
    const changed = await tinyStudies((study, side) => {
      if (side !== 'test') return study;
      const images = [1, 2, 3].map((n) => ({ instanceNumber: n, x: 8 - 4 * n, mirrored: true }));
      return {
        ...study,
        images,
        labels: { 0: 'Severe', 1: 'Severe', 2: 'Severe', 3: 'Severe', 4: 'Severe' },
      };
    });
    const other = await temporaryFolder();
    await trainHere(other, changed);
    const { tensors, log, summary } = await outcome(other);
    const but = ({ 'bank/bank.safetensors': _, ...others }: Record<string, string>) => others;
    expect(but(tensors)).toEqual(but(reference.tensors));
    expect(tensors['bank/bank.safetensors']).not.toBe(reference.tensors['bank/bank.safetensors']);
    expect(log).toEqual(reference.log);
    expect(summary.arms.map(({ bestEpoch }) => bestEpoch)).toEqual(
      reference.summary.arms.map(({ bestEpoch }) => bestEpoch),
    );
    const confusion = ({ tasks }: typeof summary) => tasks[0]!.arms[0]!.annotated.confusion;
    expect(confusion(summary)).not.toEqual(confusion(reference.summary));
  });
});

describe('the arms', () => {
  const graderOf = (folder: string, arm: string) =>
    encoderOf(folder, `weights/grader-${arm}.safetensors`, 'encoder.');

  it('frozen keeps every bit of the pretrained encoder, including the running statistics', async () => {
    const pretrained = await encoderOf(dir, 'checkpoints/pretraining.safetensors', 'weights/encoder/');
    expect([...pretrained.keys()].filter((name) => name.endsWith('running_var'))).not.toEqual([]);
    expect(await graderOf(dir, 'frozen')).toEqual(pretrained);
    expect(await graderOf(dir, 'contrastive')).not.toEqual(pretrained);
  });

  it('differ only in the encoder and its rates', async () => {
    const other = await temporaryFolder();
    const rates = { encoder: 0.5, layerDecay: 0.8 };
    await trainHere(
      other,
      data,
      {
        'pretraining.epochs': 0,
        'finetuning.rates.scratch': rates,
        'finetuning.rates.contrastive': rates,
      },
      dir,
    );
    const { tensors, summary, log } = await outcome(other);
    expect(tensors['weights/grader-contrastive.safetensors']).toBe(
      tensors['weights/grader-scratch.safetensors'],
    );
    expect(tensors['weights/grader-frozen.safetensors']).not.toBe(
      tensors['weights/grader-scratch.safetensors'],
    );
    expect(summary.pretraining).toMatchObject({ epochs: 0, trainLoss: [], alignment: [], probes: [] });
    expect(log[0]!.stage).toBe('localization');
  });
});

describe('settings', () => {
  const rows = (log: Record<string, unknown>[], stage: string) => log.filter((row) => row.stage === stage);

  async function runWith(settings: Settings) {
    const other = await temporaryFolder();
    await trainHere(other, data, { 'evaluation.resamples': 5, ...settings }, dir);
    expect(summarySchema.safeParse(readSummary(other)).error).toBeUndefined();
    return other;
  }

  it.each<[changed: string[], Settings]>([
    [
      ['pretraining', 'localization', 'finetuning-scratch'],
      {
        'pretraining.mean': 'inside',
        'pretraining.positives': 'grade',
        'localization.network': 'regression',
        'finetuning.sampling': 'balanced',
        'finetuning.alpha': 'none',
      },
    ],
    [
      ['pretraining', 'localization', 'finetuning-scratch'],
      {
        'pretraining.positives': 'grade',
        'localization.sigma': 0.05,
        'finetuning.gamma': 0,
        'finetuning.alpha': 'inverse',
        'finetuning.labelSmoothing': 0.1,
      },
    ],
    // Each disc of this data has one row, so a patient and level is one disc.
    [['finetuning-scratch'], { 'pretraining.positives': 'level', 'finetuning.dropout': 0.5 }],
  ])('change %o and no other stage', async (changed, settings) => {
    const log = readLog(await runWith(settings));
    for (const stage of ['pretraining', 'localization', 'finetuning-scratch']) {
      const [found, before] = [rows(log, stage), rows(reference.log, stage)];
      expect(found).toHaveLength(2);
      if (changed.includes(stage)) expect(found).not.toEqual(before);
      else expect(found).toEqual(before);
    }
  });

  it('learnTemperature trains the temperature', async () => {
    const other = await runWith({ 'pretraining.learnTemperature': true });
    const pretraining = await tensorsOf(other, 'checkpoints/pretraining.safetensors');
    const [, scale] = [...pretraining].find(([name]) => name.startsWith('weights/temperature/'))!;
    expect(Math.exp(-scale.data[0]!)).not.toBeCloseTo(0.1, 6);
    expect(Math.exp(-scale.data[0]!)).toBeCloseTo(0.1, 1);
  });

  it('data.labels hides grades of whole training and validation patients and changes the graders only', async () => {
    const other = await runWith({ 'data.labels': 0.5 });
    const log = readLog(other);
    // The probe reads grades; nothing else of pretraining does.
    const unprobed = (from: typeof log) =>
      rows(from, 'pretraining').map((row) => ({ ...row, validationProbe: null }));
    expect(unprobed(log)).toEqual(unprobed(reference.log));
    expect(rows(log, 'localization')).toEqual(rows(reference.log, 'localization'));
    expect(rows(log, 'finetuning-scratch')).not.toEqual(rows(reference.log, 'finetuning-scratch'));
    const discs = Object.entries(readSummary(other).tasks[0]!.classCounts).map(([side, counts]) => [
      side,
      Object.values(counts).reduce((a, b) => a + b),
    ]);
    // Three of six training patients; validation keeps its minimum of two.
    expect(Object.fromEntries(discs)).toEqual({ train: 3 * 5, validation: 2 * 5, test: 2 * 5 });
  });

  it('discs without a grade are used in pretraining only', async () => {
    const ungraded = await tinyStudies((study, side) =>
      side === 'train' ? { ...study, labels: { 0: '', 3: '' } } : study,
    );
    const other = await temporaryFolder();
    const { tasks } = await trainHere(other, ungraded, { 'pretraining.positives': 'grade' });
    const counts = Object.values(tasks[0]!.classCounts.train);
    expect(counts.reduce((sum, count) => sum + count, 0)).toBe(6 * 3);
    expect(rows(readLog(other), 'pretraining')).toHaveLength(2);
  });
});

async function encoderOf(folder: string, path: string, prefix: string): Promise<Map<string, Buffer>> {
  const bytes = ({ data }: StoredTensor) => Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  return new Map(
    [...(await tensorsOf(folder, path))]
      .filter(([name]) => name.startsWith(prefix))
      .map(([name, tensor]) => [name.slice(prefix.length), bytes(tensor)]),
  );
}
