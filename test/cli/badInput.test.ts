/**
 * Invalid input: the command prints one line that names the file, what was found, what was expected and what to do, and
 * exits with a code other than 0. The tests also follow the advice and check that no run is lost.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { cp, mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { SERIES } from '../data/layout.js';
import {
  idsOf,
  outcome,
  readSummary,
  sideOf,
  temporaryFolder,
  tinyStudies,
  trainArgs,
  trainHere,
  trainRun,
} from '../training/runs.js';
import { type Ended, failure, spinegrad } from './command.js';

let data: string;
let finished: string;
let reference: Awaited<ReturnType<typeof outcome>>;

beforeAll(async () => {
  data = await tinyStudies();
  finished = await temporaryFolder();
  await trainHere(finished, data);
  reference = await outcome(finished);
});

async function copyOf(folder: string): Promise<string> {
  const copy = await temporaryFolder();
  await cp(folder, copy, { recursive: true });
  return copy;
}

const resume = (dir: string) => spinegrad('train', '--device', 'cpu', '--resume', '--out', dir);

function expectFailure(ended: Ended, status: number, line: RegExp): void {
  expect(failure(ended)).toMatch(line);
  expect(ended.status).toBe(status);
}

describe('bad data', () => {
  it('fails for a missing folder; the same command works with an existing one', async () => {
    const dir = await temporaryFolder();
    const missing = join(dir, 'nowhere');
    expectFailure(
      await trainRun(dir, missing),
      1,
      /ERR_DATA_LAYOUT: .*nowhere: there is no such folder; .*spinegrad phantom/,
    );
    expect((await trainRun(dir, data)).status).toBe(0);
    expect(await outcome(dir)).toEqual(reference);
  });

  it('leaves no run folder behind if settings or data are refused, and nothing in a folder that existed', async () => {
    const dir = join(await temporaryFolder(), 'run');
    const empty = await temporaryFolder();
    expectFailure(await trainRun(dir, empty), 1, /ERR_DATA_LAYOUT/);
    expect(existsSync(dir)).toBe(false);
    expectFailure(await spinegrad(...trainArgs(dir, data), '--task', 'rsna/nothing'), 2, /ERR_TASK: /);
    expect(existsSync(dir)).toBe(false);
    const refused = await spinegrad(...trainArgs(dir, data, { fusion: 'channels' }));
    expectFailure(refused, 2, /ERR_CONFIG: settings: fusion: channels needs two or more kinds of series/);
    expect(existsSync(dir)).toBe(false);
    mkdirSync(dir);
    writeFileSync(join(dir, 'notes.txt'), 'mine');
    expectFailure(await trainRun(dir, empty), 1, /ERR_DATA_LAYOUT/);
    expect(readdirSync(dir)).toEqual(['notes.txt']);
  });

  it('fails for a folder without CSV files', async () => {
    const [dir, empty] = [await temporaryFolder(), await temporaryFolder()];
    const line =
      /ERR_DATA_LAYOUT: .*: is not a data set: has no train\.csv, .* \(rsna layout\).*; pass another folder/;
    expectFailure(await trainRun(dir, empty), 1, line);
    expectFailure(await spinegrad('prepare', '--data', empty, '--out', dir), 1, line);
    expectFailure(await spinegrad('evaluate', '--model', finished, '--data', empty), 1, line);
  });

  it('fails for predictions that are missing, damaged or given together with a model', async () => {
    const usage = /ERR_CONFIG: evaluate: expected either --model, with or without --data, or --predictions/;
    const file = join(finished, 'predictions.csv');
    expectFailure(await spinegrad('evaluate'), 2, usage);
    expectFailure(await spinegrad('evaluate', '--model', finished, '--predictions', file), 2, usage);
    expectFailure(await spinegrad('evaluate', '--predictions', file, '--data', data), 2, usage);
    expectFailure(
      await spinegrad('evaluate', '--predictions', join(data, 'no.csv')),
      1,
      /ERR_FILE_NOT_FOUND/,
    );
    const other = join(data, 'train.csv');
    expectFailure(
      await spinegrad('evaluate', '--predictions', other),
      1,
      /ERR_CSV_HEADER: .*train\.csv: has no column task, arm, crops/,
    );
    const damaged = join(await temporaryFolder(), 'predictions.csv');
    writeFileSync(damaged, readFileSync(file, 'utf8').replace('scratch,predicted,', 'scratch,somewhere,'));
    expectFailure(
      await spinegrad('evaluate', '--predictions', damaged),
      1,
      /ERR_PREDICTIONS: .*predictions\.csv: line 2: column crops: found 'somewhere', expected one of predicted, annotated/,
    );
  });

  it('fails for a CSV file without a required column', async () => {
    const copy = await copyOf(data);
    const csv = join(copy, 'train_label_coordinates.csv');
    writeFileSync(csv, readFileSync(csv, 'utf8').replace('instance_number', 'slice'));
    expectFailure(
      await trainRun(await temporaryFolder(), copy),
      1,
      /ERR_CSV_HEADER: .*train_label_coordinates\.csv: .*instance_number/,
    );
  });

  it('skips and reports a truncated file, a file that is not DICOM and an empty series', async () => {
    const copy = await copyOf(data);
    const ids = idsOf(copy).filter((id) => sideOf(id) === 'train');
    const series = (n: number) => join(copy, 'train_images', ids[n]!, SERIES);
    truncateSync(join(series(0), '2.dcm'), 2000);
    writeFileSync(join(series(1), '2.dcm'), 'not DICOM');
    rmSync(series(2), { recursive: true });
    mkdirSync(series(2));
    const dir = await temporaryFolder();
    const ended = await trainRun(dir, copy);
    expect(ended.status).toBe(0);
    const { skipped, studies } = readSummary(dir).data;
    expect(studies).toBe(7);
    for (const id of ids.slice(0, 3)) {
      const about = skipped.filter(({ path }) => path.includes(`train_images/${id}/`));
      expect(about).not.toEqual([]);
      for (const { code, message } of about) {
        expect(code).toMatch(/^ERR_/);
        expect(ended.stderr).toContain(code);
        expect(message).not.toContain('\n');
      }
    }
    expect(ended.stderr).toMatch(/^skipped .*; .*bank\/manifest\.json lists each$/m);
  });

  it('fails for too few studies in a part of the split; the same command works with more studies', async () => {
    const copy = await copyOf(data);
    for (const name of ['train.csv', 'train_label_coordinates.csv']) {
      const [header, ...rows] = readFileSync(join(copy, name), 'utf8').trim().split('\n');
      const ids = [...new Set(rows.map((row) => row.split(',')[0]))].slice(0, 3);
      writeFileSync(
        join(copy, name),
        [header, ...rows.filter((row) => ids.includes(row.split(',')[0]))].join('\n'),
      );
    }
    const dir = await temporaryFolder();
    expectFailure(
      await trainRun(dir, copy),
      1,
      /ERR_DATA_EMPTY: .*: found \d (train|validation|test) studies .*expected at least \d; add studies/,
    );
    expect((await trainRun(dir, data)).status).toBe(0);
    expect(await outcome(dir)).toEqual(reference);
  });
});

describe('the command line', () => {
  it.each([
    ['encoder.dept=18', /there is no key encoder\.dept; expected one of depth, width, zeroInitResidual/],
    ['encoder.depth=19', /encoder\.depth: found 19; .*18\|34\|50/],
    ['pretraining.epochs=many', /pretraining\.epochs: found "many"; expected number/],
    ['pretraining.epochs', /--set pretraining\.epochs: expected key=value/],
  ])('refuses --set %s', async (setting, line) => {
    const dir = join(await temporaryFolder(), 'run');
    const ended = await spinegrad('train', '--out', dir, '--set', setting);
    expectFailure(ended, 2, /ERR_CONFIG/);
    expect(failure(ended)).toMatch(line);
    expect(statSync(dir, { throwIfNoEntry: false })).toBeUndefined();
  });

  it('fails for --device cuda without a GPU before any other work', async (context) => {
    const dir = await temporaryFolder();
    if (spawnSync('nvidia-smi').status === 0) context.skip('there is a GPU');
    const ended = await spinegrad('train', '--data', data, '--out', dir, '--device', 'cuda');
    expectFailure(ended, 1, /ERR_DEVICE_UNAVAILABLE: no CUDA driver/);
    expect(statSync(join(dir, 'bank'), { throwIfNoEntry: false })).toBeUndefined();
  });
});

describe('bad files of a run', () => {
  it('fails for a damaged checkpoint; after its deletion the run resumes to the same bits', async () => {
    const dir = await copyOf(finished);
    const path = join(dir, 'checkpoints/finetuning-frozen.safetensors');
    const bytes = readFileSync(path);
    const flipped = Buffer.from(bytes);
    flipped[flipped.length - 1000]! ^= 1;
    for (const [damaged, found] of [
      [bytes.subarray(0, 5000), /found .*; expected .*damaged/],
      [Buffer.alloc(0), /found 0 bytes/],
      [Buffer.alloc(4000, 'x'), /found a header/],
      [flipped, /found tensors that do not match their checksum/],
    ] as const) {
      writeFileSync(path, damaged);
      const ended = await resume(dir);
      expectFailure(
        ended,
        1,
        /ERR_CHECKPOINT: .*finetuning-frozen\.safetensors.*; delete that file and resume/,
      );
      expect(failure(ended)).toMatch(found);
    }
    await rm(path);
    expect((await resume(dir)).status).toBe(0);
    const { log, ...others } = await outcome(dir);
    expect(others).toEqual({ ...reference, log: undefined });
    expect(new Set(log)).toEqual(new Set(reference.log));
  });

  it('fails for a bank of another version; after its deletion the run resumes to the same bits', async () => {
    const dir = await copyOf(finished);
    const manifest = join(dir, 'bank/manifest.json');
    writeFileSync(manifest, readFileSync(manifest, 'utf8').replace('"version":4', '"version":3'));
    const line =
      /ERR_BANK_MANIFEST: .*manifest\.json: version: .*; prepare the bank again: delete .*\/bank and resume/;
    expectFailure(await resume(dir), 1, line);
    expectFailure(await spinegrad('evaluate', '--model', dir), 1, line);
    await rm(join(dir, 'bank'), { recursive: true });
    expect((await resume(dir)).status).toBe(0);
    expect(await outcome(dir)).toEqual(reference);
  });

  it('fails for a config.json that is not JSON', async () => {
    const dir = await copyOf(finished);
    writeFileSync(join(dir, 'config.json'), '{');
    expectFailure(
      await resume(dir),
      1,
      /ERR_RUN_CONFIG: .*config\.json: .*; start a new run in another --out folder/,
    );
  });
});

describe('output', () => {
  it('fails for a folder that cannot be created', async () => {
    expectFailure(await trainRun('/proc/run', data), 1, /ERR_WRITE: cannot write \/proc\/run: /);
    const file = join(await temporaryFolder(), 'file');
    writeFileSync(file, '');
    expectFailure(
      await trainRun(file, data),
      1,
      /ERR_WRITE: cannot write .*file: .* remove it or choose another path/,
    );
  });

  it('fails for a full device in commands that write one file', async () => {
    const full = /ERR_DISK_FULL: cannot write \/dev\/full: disk full; free some space/;
    expectFailure(await spinegrad('evaluate', '--model', finished, '--json', '/dev/full'), 1, full);
    const file = join(data, 'train_images', '2', SERIES, '2.dcm');
    expectFailure(await spinegrad('inspect', file, '--npy', '/dev/full'), 1, full);
    expect(statSync('/dev/full').isCharacterDevice()).toBe(true);
  });

  it('fails if the disk fills up during training; with more space the run resumes to the same bits', async (context) => {
    await onDisk(context, async (disk, remount) => {
      remount('size=400k');
      const dir = join(disk, 'run');
      await mkdir(dir);
      for (const part of ['bank', 'config.json'])
        await cp(join(finished, part), join(dir, part), { recursive: true });
      expectFailure(
        await resume(dir),
        1,
        /ERR_DISK_FULL: cannot write .*checkpoints\/.*: disk full; free some space/,
      );
      remount('size=40m');
      expect((await resume(dir)).status).toBe(0);
      expect(await outcome(dir)).toEqual(reference);
    });
  });

  it('fails for a read-only disk', async (context) => {
    await onDisk(context, async (disk, remount) => {
      remount('ro');
      const line = /ERR_WRITE: cannot write .*: the file system is read-only; choose another output folder/;
      expectFailure(await trainRun(join(disk, 'run'), data), 1, line);
      expectFailure(await spinegrad('prepare', '--data', data, '--out', join(disk, 'bank')), 1, line);
      expectFailure(await spinegrad('phantom', '--out', join(disk, 'phantom'), '--studies', '1'), 1, line);
    });
  });
});

/** Runs `work` on a small file system in memory. Mounting needs root; the test is skipped otherwise. */
async function onDisk(
  context: { skip(note: string): never },
  work: (disk: string, remount: (options: string) => void) => Promise<void>,
): Promise<void> {
  const disk = await temporaryFolder();
  if (spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=40m', 'tmpfs', disk]).status !== 0) {
    context.skip('mounting a file system needs root');
  }
  try {
    await work(disk, (options) => execFileSync('mount', ['-o', `remount,${options}`, disk]));
  } finally {
    execFileSync('umount', [disk]);
  }
}
