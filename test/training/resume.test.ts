/**
 * Runs that are stopped, at each place where a file is written and so at each state that a disk can be found in, and
 * go on: they end with the bits of a run that nobody disturbed.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { cp } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { readSafetensorsFile } from '#spinegrad/io/safetensors.js';
import { failure, spinegrad } from '../cli/command.js';
import {
  has,
  outcome,
  readLog,
  type Stop,
  stoppedRun,
  temporaryFolder,
  tinyStudies,
  trainArgs,
  trainHere,
  trainRun,
} from './runs.js';

let data: string;
let unbroken: string;
let reference: Awaited<ReturnType<typeof outcome>>;

beforeAll(async () => {
  data = await tinyStudies();
  unbroken = await temporaryFolder();
  await trainHere(unbroken, data);
  reference = await outcome(unbroken);
});

const resume = (dir: string) => spinegrad('train', '--device', 'cpu', '--resume', '--out', dir);

const stopResumed = (dir: string, ...stops: Stop[]) =>
  stoppedRun(['train', '--device', 'cpu', '--resume', '--out', dir], ...stops);

async function position(dir: string, stage: string): Promise<Record<string, unknown>> {
  const { metadata } = await readSafetensorsFile(join(dir, 'checkpoints', `${stage}.safetensors`));
  return JSON.parse(metadata.position!);
}

/** A folder that holds the bank and the configuration of the reference run, and nothing learned. */
async function prepared(): Promise<string> {
  const dir = await temporaryFolder();
  for (const part of ['bank', 'config.json'])
    await cp(join(unbroken, part), join(dir, part), { recursive: true });
  return dir;
}

// Many processes one after the other, on a machine that may be busy.
describe('kill -9', { timeout: 600_000 }, () => {
  it('in the middle of each write, one after the other', async () => {
    const dir = await temporaryFolder();
    const first = await stoppedRun(trainArgs(dir, data), ['bank/bank\\.safetensors', 1, 'SIGKILL']);
    expect(first.signal).toBe('SIGKILL');
    for (const [path, nth] of [
      ['bank/manifest', 1],
      // The first line of the log, half written; then the log is an epoch ahead of the checkpoint.
      ['metrics\\.jsonl$', 1],
      ['checkpoints/pretraining', 2],
      // Pretraining has ended; the next stage has not.
      ['checkpoints/localization', 1],
      ['metrics\\.jsonl$', 2],
      ['checkpoints/finetuning-scratch', 2],
      ['checkpoints/finetuning-contrastive', 1],
      ['weights/grader-frozen', 1],
      ['model\\.json', 1],
      ['summary\\.json', 1],
    ] as const) {
      const { signal, stderr } = await stopResumed(dir, [path, nth, 'SIGKILL']);
      expect(signal, `${path}: ${stderr}`).toBe('SIGKILL');
    }
    expect(has(dir, 'summary.json')).toBe(false);
    expect((await resume(dir)).status).toBe(0);
    expect(await outcome(dir)).toEqual(reference);
  });

  it.runIf(process.env.SPINEGRAD_TEST_FULL)('at each write of a run', { timeout: 3_600_000 }, async () => {
    const write = '\\.tmp$|metrics\\.jsonl$';
    let writes = 0;
    for (let killed = true; killed; ) {
      const dir = await prepared();
      killed = (await stopResumed(dir, [write, writes + 1, 'SIGKILL'])).signal === 'SIGKILL';
      if (killed) writes++;
      expect((await resume(dir)).status).toBe(0);
      expect(await outcome(dir), `killed at write ${writes}`).toEqual(reference);
    }
    // Ten epochs, each with a line and a checkpoint, the log's beginning, four weights, the model and the summary.
    expect(writes).toBeGreaterThanOrEqual(27);
  });

  it('while phantom studies are made: they are made again, and are those of the settings', async () => {
    const dir = await temporaryFolder();
    const images = () => contents(join(dir, 'phantom/train_images'));
    const settings = { 'data.studies': 1, 'data.slices': 1 };
    const killed = await stoppedRun(trainArgs(dir, null, settings), ['phantom/train\\.csv', 1, 'SIGKILL']);
    expect(killed.signal).toBe('SIGKILL');
    expect(has(dir, 'phantom/train.csv')).toBe(false);
    const before = images();
    // One study is too few to train on, but that is found only when it is there.
    expect(failure(await resume(dir))).toMatch(/ERR_DATA_EMPTY.*expected at least/);
    expect(has(dir, 'phantom/train.csv')).toBe(true);
    expect(images()).toEqual(before);

    // Nothing was learned, so the folder is free for another seed; the study must not be the old one then.
    expect(failure(await trainRun(dir, null, { ...settings, seed: 2 }))).toMatch(/ERR_DATA_EMPTY/);
    expect(images()).not.toEqual(before);
  });
});

describe('Ctrl-C', () => {
  it('stops within the epoch with a checkpoint, and prints how to resume', async () => {
    const dir = await prepared();
    const stopped = await stopResumed(dir, ['metrics\\.jsonl$', 1, 'SIGINT']);
    expect(stopped).toMatchObject({ status: 130, signal: null, stdout: '' });
    const lines = stopped.stderr.trimEnd().split('\n');
    expect(lines.at(-1)).toBe(`stopped; resume with: node train.js --resume --out ${dir}`);
    expect(lines.at(-2)).toBe('stopping at the next safe point; press Ctrl-C again to exit immediately');
    expect(await position(dir, 'pretraining')).toMatchObject({ epoch: 2, step: 1, done: false });

    const terminated = await stopResumed(dir, ['checkpoints/finetuning-frozen', 1, 'SIGTERM']);
    expect(terminated).toMatchObject({ status: 143, signal: null });
    expect(await position(dir, 'finetuning-frozen')).toMatchObject({ epoch: 2, step: 1, done: false });

    expect((await resume(dir)).status).toBe(0);
    expect(await outcome(dir)).toEqual(reference);
  });

  it('a second time ends it at once, and nothing is lost but the epoch', async () => {
    const dir = await prepared();
    const stopped = await stopResumed(
      dir,
      ['metrics\\.jsonl$', 2, 'SIGINT'],
      ['checkpoints/localization', 1, 'SIGINT'],
      ['checkpoints/localization', 2, 'SIGINT'],
    );
    expect(stopped.status).toBe(130);
    expect(stopped.stderr).not.toContain('stopped;');
    expect((await resume(dir)).status).toBe(0);
    expect(await outcome(dir)).toEqual(reference);
  });

  it('while the bank is cut', async () => {
    const dir = await temporaryFolder();
    const stopped = await stoppedRun(trainArgs(dir, data), ['^study ', 1, 'SIGINT']);
    expect(stopped.status).toBe(130);
    expect(stopped.stderr).toMatch(/stopped; resume with: node train\.js --resume --out .*\n$/);
    expect(has(dir, 'bank/manifest.json')).toBe(false);
    expect((await resume(dir)).status).toBe(0);
    expect(await outcome(dir)).toEqual(reference);
  });
});

describe('--resume', () => {
  it('of a finished run changes nothing, twice the same', async () => {
    const dir = await temporaryFolder();
    await cp(unbroken, dir, { recursive: true });
    expect((await resume(dir)).status).toBe(0);
    expect(await outcome(dir)).toEqual(reference);
  });

  it('begins a new run where there is none, and says so', async () => {
    const dir = join(await temporaryFolder(), 'new');
    const started = await stoppedRun(
      [...trainArgs(dir, data), '--resume'],
      ['metrics\\.jsonl$', 1, 'SIGINT'],
    );
    expect(started.status).toBe(130);
    expect(started.stderr).toMatch(/^run .*: there is no run to resume; starting a new one\n/);
    expect(readLog(dir)).toHaveLength(1);
  });

  it('keeps to the settings and the data that the run began with', async () => {
    const say = async (...more: string[]) => failure(await spinegrad('train', '--out', unbroken, ...more));
    expect(await say('--resume', '--seed', '2')).toMatch(
      /ERR_RESUME: .*: config\.seed is 2, the run was started with 1; omit the option/,
    );
    expect(await say('--resume', '--preset', 'demo')).toMatch(/config\.preset is "demo".* with "smoke"/);
    expect(await say('--resume', '--data', '/tmp')).toMatch(/data is "\/tmp"/);
    expect(await say()).toMatch(/ERR_RUN_EXISTS: .*: contains a run; continue it with --resume/);
    expect(await outcome(unbroken)).toEqual(reference);
  });
});

/** The files of a folder with their bytes. */
function contents(folder: string): Map<string, string> {
  expect(existsSync(folder)).toBe(true);
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) =>
    entry.isFile(),
  );
  const paths = files.map(({ parentPath, name }) => join(parentPath, name).slice(folder.length)).sort();
  return new Map(paths.map((path) => [path, readFileSync(join(folder, path), 'base64')]));
}
