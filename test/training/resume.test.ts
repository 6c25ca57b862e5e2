/**
 * Runs that are stopped at each file they write, and so in each state that the disk can have, and then resumed: they end
 * with the bits of an uninterrupted run.
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
let uninterrupted: string;
let reference: Awaited<ReturnType<typeof outcome>>;

beforeAll(async () => {
  data = await tinyStudies();
  uninterrupted = await temporaryFolder();
  await trainHere(uninterrupted, data);
  reference = await outcome(uninterrupted);
});

const resume = (dir: string) => spinegrad('train', '--device', 'cpu', '--resume', '--out', dir);

const stopResumed = (dir: string, ...stops: Stop[]) =>
  stoppedRun(['train', '--device', 'cpu', '--resume', '--out', dir], ...stops);

async function position(dir: string, stage: string): Promise<Record<string, unknown>> {
  const { metadata } = await readSafetensorsFile(join(dir, 'checkpoints', `${stage}.safetensors`));
  return JSON.parse(metadata.position!);
}

/** A folder with the bank and the configuration of the reference run, without checkpoints. */
async function prepared(): Promise<string> {
  const dir = await temporaryFolder();
  for (const part of ['bank', 'config.json'])
    await cp(join(uninterrupted, part), join(dir, part), { recursive: true });
  return dir;
}

// Many processes one after the other, on a machine that may be busy.
describe('kill -9', { timeout: 600_000 }, () => {
  it('resumes after a kill in the middle of each write', async () => {
    const dir = await temporaryFolder();
    const first = await stoppedRun(trainArgs(dir, data), ['bank/bank\\.safetensors', 1, 'SIGKILL']);
    expect(first.signal).toBe('SIGKILL');
    for (const [path, nth] of [
      ['bank/manifest', 1],
      // Half of the first line of the log is written. Then the log is one epoch ahead of the checkpoint.
      ['metrics\\.jsonl$', 1],
      ['checkpoints/pretraining', 2],
      // Pretraining is finished; the next stage is not.
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

  it.runIf(process.env.SPINEGRAD_TEST_FULL)(
    'resumes after a kill at every write of a run',
    { timeout: 3_600_000 },
    async () => {
      const write = '\\.tmp$|metrics\\.jsonl$';
      let writes = 0;
      for (let killed = true; killed; ) {
        const dir = await prepared();
        killed = (await stopResumed(dir, [write, writes + 1, 'SIGKILL'])).signal === 'SIGKILL';
        if (killed) writes++;
        expect((await resume(dir)).status).toBe(0);
        expect(await outcome(dir), `killed at write ${writes}`).toEqual(reference);
      }
      // Ten epochs with a line and a checkpoint each, the start of the log, four weight files, the model and the summary.
      expect(writes).toBeGreaterThanOrEqual(27);
    },
  );

  it('generates incomplete phantom studies again, by the settings of the new run', async () => {
    const dir = await temporaryFolder();
    const images = () => contents(join(dir, 'phantom/train_images'));
    const settings = { 'data.studies': 1, 'data.slices': 1 };
    const killed = await stoppedRun(trainArgs(dir, null, settings), ['phantom/train\\.csv', 1, 'SIGKILL']);
    expect(killed.signal).toBe('SIGKILL');
    expect(has(dir, 'phantom/train.csv')).toBe(false);
    const before = images();
    // One study is too few for training; this is detected after it is generated.
    expect(failure(await resume(dir))).toMatch(/ERR_DATA_EMPTY.*expected at least/);
    expect(has(dir, 'phantom/train.csv')).toBe(true);
    expect(images()).toEqual(before);

    // Training had not begun, so the folder accepts another seed. The study must be generated again.
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

  it('stops at once the second time, and loses at most the epoch', async () => {
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

  it('stops while the bank is cut', async () => {
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
  it('changes nothing in a finished run', async () => {
    const dir = await temporaryFolder();
    await cp(uninterrupted, dir, { recursive: true });
    expect((await resume(dir)).status).toBe(0);
    expect(await outcome(dir)).toEqual(reference);
  });

  it('begins a new run if the folder has none, and reports it', async () => {
    const dir = join(await temporaryFolder(), 'new');
    const started = await stoppedRun(
      [...trainArgs(dir, data), '--resume'],
      ['metrics\\.jsonl$', 1, 'SIGINT'],
    );
    expect(started.status).toBe(130);
    expect(started.stderr).toMatch(/^run .*: there is no run to resume; starting a new one\n/);
    expect(readLog(dir)).toHaveLength(1);
  });

  it('refuses other settings and other data', async () => {
    const refusal = async (...more: string[]) =>
      failure(await spinegrad('train', '--out', uninterrupted, ...more));
    expect(await refusal('--resume', '--seed', '2')).toMatch(
      /ERR_RESUME: .*: config\.seed is 2, it was started with 1; omit the option/,
    );
    expect(await refusal('--resume', '--preset', 'demo')).toMatch(/config\.preset is "demo".* with "smoke"/);
    expect(await refusal('--resume', '--data', '/tmp')).toMatch(/data is "\/tmp"/);
    expect(await refusal()).toMatch(/ERR_RUN_EXISTS: .*: contains a run; continue it with --resume/);
    expect(await outcome(uninterrupted)).toEqual(reference);
  });
});

/** The bytes of all files of a folder, by path. */
function contents(folder: string): Map<string, string> {
  expect(existsSync(folder)).toBe(true);
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) =>
    entry.isFile(),
  );
  const paths = files.map(({ parentPath, name }) => join(parentPath, name).slice(folder.length)).sort();
  return new Map(paths.map((path) => [path, readFileSync(join(folder, path), 'base64')]));
}
