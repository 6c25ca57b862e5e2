/** Whole runs that take a few seconds: nets of four channels on small crops of tiny studies. */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readSafetensors } from '#spinegrad/data/safetensors.js';
import { studyHash } from '#spinegrad/data/split.js';
import type { Summary } from '#spinegrad/evaluation/types.js';
import { CLI, type Ended, type Started, spinegrad, start } from '../cli/command.js';
import { tinyLayout } from '../data/layout.js';

const SETTINGS = {
  'data.roiSize': 16,
  'data.roiExtentMm': 12,
  'data.sliceSize': 32,
  'encoder.width': 4,
  'localization.encoder.width': 4,
  'localization.batch': 2,
  'pretraining.discs': 4,
  'finetuning.batch': 8,
  'evaluation.resamples': 20,
};

export const set = (settings: Record<string, unknown>): string[] =>
  Object.entries(settings).flatMap(([key, value]) => ['--set', `${key}=${JSON.stringify(value)}`]);

/** Arguments of `spinegrad` for a run; later settings win. */
export const trainArgs = (dir: string, data: string, settings: Record<string, unknown> = {}): string[] => [
  ...['train', '--device', 'cpu', '--preset', 'smoke', '--out', dir, '--data', data],
  ...set({ ...SETTINGS, ...settings }),
];

export const trainRun = (dir: string, data: string, settings?: Record<string, unknown>): Promise<Ended> =>
  spinegrad(...trainArgs(dir, data, settings));

export const startRun = (args: readonly string[]): Started => start(process.execPath, [CLI, ...args]);

export const temporaryFolder = (): Promise<string> => mkdtemp(join(tmpdir(), 'spinegrad-run-'));

/** Ids of studies that seed 1 (the default) puts on the training, validation and test side. */
export function idsBySide(train: number, validation: number, test: number): string[] {
  const wanted = { train, validation, test };
  const ids: string[] = [];
  for (let id = 1; Object.values(wanted).some((count) => count > 0); id++) {
    const hash = studyHash(`${id}`, 1);
    const side = hash < 0.7 ? 'train' : hash < 0.85 ? 'validation' : 'test';
    if (wanted[side]-- > 0) ids.push(`${id}`);
    else wanted[side] = 0;
  }
  return ids;
}

/** A data folder of tiny studies that fills each side of the split. */
export const tinyStudies = (train = 6, validation = 2, test = 2): Promise<string> =>
  tinyLayout(idsBySide(train, validation, test).map((studyId) => ({ studyId })));

export const readSummary = (dir: string): Summary =>
  JSON.parse(readFileSync(join(dir, 'summary.json'), 'utf8')) as Summary;

export const readLog = (dir: string): Record<string, unknown>[] =>
  readFileSync(join(dir, 'metrics.jsonl'), 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));

/** All that two equal runs must share: bits of the weights and of every checkpoint, numbers, log, model and report. */
export async function outcome(dir: string): Promise<Record<string, unknown>> {
  const tensors: Record<string, string> = {};
  for (const folder of ['weights', 'checkpoints', 'bank']) {
    for (const name of readdirSync(join(dir, folder)).sort()) {
      if (!name.endsWith('.safetensors')) {
        if (name.endsWith('.tmp')) throw new Error(`${folder}/${name} was left behind`);
        continue;
      }
      const hash = createHash('sha256');
      for (const [key, { data, shape }] of await readSafetensors(join(dir, folder, name))) {
        hash.update(`${key} ${shape}`).update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
      }
      tensors[`${folder}/${name}`] = hash.digest('hex');
    }
  }
  const { timing: _, ...summary } = readSummary(dir);
  return { tensors, summary, log: readLog(dir), model: readFileSync(join(dir, 'model.json'), 'utf8') };
}

/** Waits until something holds, looking every millisecond, or the process has ended. */
export async function until({ child }: Started, holds: () => boolean): Promise<void> {
  while (!holds() && child.exitCode === null && child.signalCode === null) {
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

export const has = (dir: string, ...path: string[]): boolean => existsSync(join(dir, ...path));
