/** Settings, schedules and the files of a run's folder, without training. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { DEFAULT_TASK } from '#spinegrad/tasks/index.js';
import { CheckpointStore } from '#spinegrad/training/checkpoint.js';
import { parseSetting, resolveConfig, type Settings } from '#spinegrad/training/config.js';
import { openRunFolder } from '#spinegrad/training/runFolder.js';
import { type LogRow, RunLog } from '#spinegrad/training/runLog.js';
import { stageSchedule } from '#spinegrad/training/steps.js';
import { MODIC } from '../tasks/examples.js';
import { temporaryFolder } from './runs.js';

describe('settings', () => {
  it('a preset changes some defaults, and later changes override earlier ones', () => {
    const demo = resolveConfig('demo');
    expect(resolveConfig('demo', { seed: 3 }, { seed: 4 })).toEqual({ ...demo, seed: 4 });
    const paper = resolveConfig('paper');
    expect([paper.pretraining.epochs, paper.finetuning.epochs]).toEqual([60, 37]);
    expect([paper.data.roiSize, paper.data.roiMode, paper.encoder]).toEqual([
      96,
      'pixels',
      { ...demo.encoder, width: 64 },
    ]);
    const change = parseSetting('pretraining.epochs=5');
    expect(resolveConfig('demo', change)).toEqual({
      ...demo,
      pretraining: { ...demo.pretraining, epochs: 5 },
    });
  });

  it('the demo trains a shorter localizer on phantoms than on a data folder, unless a setting says otherwise', async () => {
    const epochsOf = async (options: { data?: string; changes?: Settings[] }) => {
      const { identity, lock } = await openRunFolder(await temporaryFolder(), false, {
        changes: [],
        ...options,
      });
      lock[Symbol.dispose]();
      return identity.config.localization.epochs;
    };
    const demo = resolveConfig('demo').localization.epochs;
    expect(await epochsOf({})).toBeLessThan(demo);
    expect(await epochsOf({ data: '/studies' })).toBe(demo);
    expect(await epochsOf({ changes: [{ localization: { epochs: 7 } }] })).toBe(7);
  });

  it.each<[string, unknown]>([
    ['a.b.c=1', { a: { b: { c: 1 } } }],
    ['a=word', { a: 'word' }],
    ['a="1"', { a: '1' }],
    ['a=[1,2]', { a: [1, 2] }],
    ['a=x=y', { a: 'x=y' }],
    ['a=', { a: '' }],
    ['a=null', { a: null }],
  ])('--set %s', (text, settings) => {
    expect(parseSetting(text)).toEqual(settings);
  });

  it.each(['a', '=1', 'a.=1', '.a=1', '__proto__.a=1', 'preset=demo'])('--set %s is refused', (text) => {
    expect(() => parseSetting(text)).toThrow(expect.objectContaining({ code: 'ERR_CONFIG' }));
  });

  it.each<[Record<string, unknown>, RegExp]>([
    [{ constructor: 1 }, /there is no key constructor/],
    [{ encodr: { depth: 18 } }, /there is no key encodr; expected one of .*encoder/],
    [{ pretraining: { epochs: -1 } }, /pretraining\.epochs: found -1; .*>=0/],
    [{ data: 5 }, /data: found 5; expected object/],
    [{ pretraining: { epochs: { a: 1 } } }, /pretraining\.epochs: found \{"a":1\}; expected number/],
    [{ data: { folds: 5 } }, /data\.fold: found nothing; expected a number below data\.folds/],
    [{ data: { folds: 5, fold: 5 } }, /data\.fold: found 5/],
    [{ data: { sliceSize: 100 } }, /data\.sliceSize: found 100; expected a multiple of 2\^/],
    [{ pretraining: { temperature: 0 } }, /pretraining\.temperature: found 0/],
    [{ precision: 'float32' }, /precision: found "float32"; .*"tf32"/],
    [{ tasks: [MODIC.id], finetuning: { head: 'corn' } }, /finetuning\.head: .*'corn' is for ordered grades/],
    [
      { tasks: [DEFAULT_TASK], finetuning: { head: 'binary' } },
      /'binary' is for two grades, task rsna.* has 3 ordered grades; use/,
    ],
  ])('%j is refused', (change, message) => {
    expect(() => resolveConfig('smoke', change)).toThrow(
      expect.objectContaining({ code: 'ERR_CONFIG', message: expect.stringMatching(message) }),
    );
  });
});

describe('the schedule of a stage', () => {
  it('warms up in whole epochs, then falls to its floor', () => {
    const schedule = stageSchedule({ epochs: 10, warmupEpochs: 2, floor: 0.1 }, 5);
    const rates = Array.from({ length: 50 }, (_, step) => schedule(step));
    expect(rates[0]).toBeGreaterThan(0);
    expect(Math.max(...rates)).toBe(rates[9]);
    expect(rates[9]).toBeCloseTo(1, 10);
    for (let step = 10; step < 50; step++) expect(rates[step]).toBeLessThanOrEqual(rates[step - 1]!);
    expect(rates[49]).toBeGreaterThanOrEqual(0.1);
    expect(rates[49]).toBeLessThan(0.11);
  });

  it('is warm-up only in a stage shorter than the warm-up, and is defined without epochs', () => {
    const short = stageSchedule({ epochs: 1, warmupEpochs: 3, floor: 0 }, 4);
    expect([0, 1, 2, 3].map((step) => short(step))).toEqual([0.25, 0.5, 0.75, 1]);
    expect(stageSchedule({ epochs: 0, warmupEpochs: 1, floor: 0 }, 4)(0)).toBe(1);
  });
});

describe('metrics.jsonl', () => {
  const row = (stage: string, epoch: number): LogRow & { loss: number } => ({
    stage,
    epoch,
    loss: epoch / 10,
  });
  const lines = (dir: string) => readFileSync(join(dir, 'metrics.jsonl'), 'utf8');

  it('grows by one line per row', async () => {
    const dir = await temporaryFolder();
    const log = await RunLog.open(dir, false);
    log.append(row('a', 1));
    expect(lines(dir)).toBe('{"stage":"a","epoch":1,"loss":0.1}\n');
    log.append(row('a', 2));
    expect(lines(dir).split('\n')).toHaveLength(3);
  });

  it('drops an incomplete line, and rows that the checkpoint does not hold', async () => {
    const dir = await temporaryFolder();
    const log = await RunLog.open(dir, false);
    for (const epoch of [1, 2, 3]) log.append(row('a', epoch));
    writeFileSync(join(dir, 'metrics.jsonl'), `${lines(dir)}{"stage":"a","ep`);
    const resumed = await RunLog.open(dir, true);
    expect(lines(dir).split('\n')).toHaveLength(4);
    await resumed.restore('a', [row('a', 1)]);
    expect(lines(dir)).toBe(`${JSON.stringify(row('a', 1))}\n`);
    await RunLog.open(dir, false);
    expect(lines(dir)).toBe('');
  });
});

describe('checkpoints', () => {
  const values = (data: Float32Array) => new Map([['w', { shape: [data.length], data }]]);
  const position = { epoch: 2, step: 3, lossSum: 0.1 + 0.2, bestEpoch: 1, done: false, seconds: 1 };

  it('return the bits that were written', async () => {
    const store = new CheckpointStore(await temporaryFolder(), { config: 'c', data: 'd' });
    expect(await store.read('stage', z.object({}))).toBeUndefined();
    const data = Float32Array.of(0.1, -0, Number.NaN, 1e-42);
    await store.write(
      'stage',
      { ...position, rows: [] },
      { weights: values(data), best: new Map(), optimizer: values(data) },
    );
    const read = await store.read('stage', z.object({}));
    expect(read!.position).toEqual({ version: 1, config: 'c', data: 'd', ...position });
    expect(read!.groups.weights.get('w')!.data).toEqual(data);
    expect(read!.groups.best.size).toBe(0);
  });

  it('are refused with other settings or data, and the error states which', async () => {
    const dir = await temporaryFolder();
    const groups = { weights: values(Float32Array.of(1)), best: new Map(), optimizer: new Map() };
    await new CheckpointStore(dir, { config: 'c', data: 'd' }).write(
      'stage',
      { ...position, rows: [] },
      groups,
    );
    const refusal = (config: string, data: string) =>
      expect(new CheckpointStore(dir, { config, data }).read('stage', z.object({}))).rejects;
    await refusal('other', 'd').toMatchObject({ code: 'ERR_CHECKPOINT', message: /other settings/ });
    await refusal('c', 'other').toMatchObject({ code: 'ERR_CHECKPOINT', message: /other data/ });
  });
});

describe("a run's folder", () => {
  it('is not created for invalid settings', async () => {
    const dir = join(await temporaryFolder(), 'run');
    const options = { preset: 'smoke', changes: [parseSetting('nonsense=1')] };
    await expect(openRunFolder(dir, false, options)).rejects.toMatchObject({ code: 'ERR_CONFIG' });
    expect(existsSync(dir)).toBe(false);
  });

  it('of an earlier version is neither resumed nor replaced, and the error names both versions', async () => {
    const dir = await temporaryFolder();
    const open = (resume: boolean) => openRunFolder(dir, resume, { preset: 'smoke', changes: [] });
    (await open(false)).lock[Symbol.dispose]();
    const path = join(dir, 'config.json');
    const old = readFileSync(path, 'utf8').replace('"version": 3', '"version": 2');
    writeFileSync(path, old);
    for (const resume of [true, false]) {
      await expect(open(resume)).rejects.toMatchObject({
        code: 'ERR_RUN_CONFIG',
        message: expect.stringMatching(
          /config\.json: found version 2, expected 3: .*resume it with that version/,
        ),
      });
    }
    expect(readFileSync(path, 'utf8')).toBe(old);
  });

  it('may be opened for another run until it has a log', async () => {
    const dir = await temporaryFolder();
    const open = async (seed: number, resume = false) => {
      const opened = await openRunFolder(dir, resume, { preset: 'smoke', changes: [{ seed }] });
      opened.lock[Symbol.dispose]();
      return opened;
    };
    expect((await open(1)).resumed).toBe(false);
    expect((await open(2)).identity.config.seed).toBe(2);
    await RunLog.open(dir, false);
    await expect(open(3)).rejects.toMatchObject({ code: 'ERR_RUN_EXISTS' });
    expect((await open(2, true)).resumed).toBe(true);
    await expect(open(3, true)).rejects.toMatchObject({ code: 'ERR_RESUME' });
  });
});
