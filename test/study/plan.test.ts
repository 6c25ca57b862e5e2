/** Plans, cells, shared units and the time that is left, without training. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cellConfig, cellsOf } from '#spinegrad/study/cells.js';
import { baseConfig, newPlan, readPlanFile } from '#spinegrad/study/plan.js';
import type { Result } from '#spinegrad/study/results.js';
import { openStudy, type Study } from '#spinegrad/study/study.js';
import { secondsLeft } from '#spinegrad/study/timeLeft.js';
import type { UnitState } from '#spinegrad/study/unitState.js';
import { type CellUnit, cellUnits } from '#spinegrad/study/units.js';
import { resolveConfig } from '#spinegrad/training/config.js';
import { tinyLayout } from '../data/layout.js';
import { temporaryFolder } from '../training/runs.js';

const program = { version: '0', commit: 'unknown', date: '2026-01-01T00:00:00.000Z' };

function studyOf(change: Parameters<typeof newPlan>[0] = {}): Study {
  const grid = { folds: 3, repeats: 2, labels: [0.25, 1], arms: ['scratch', 'contrastive'] };
  const plan = { ...newPlan({ data: '/data', ...grid, ...change }, 2), program };
  return { dir: '/study', plan, cells: cellsOf(plan) };
}

/** A variant of the arm contrastive. */
const variant = (settings: Record<string, unknown>) => ({
  arms: ['scratch', 'other'],
  variants: { other: { arm: 'contrastive' as const, settings } },
});

describe('a plan', () => {
  it('has defaults, all settings, and the threads of each worker', () => {
    const plan = newPlan({ data: '/data' }, 4);
    expect(plan).toMatchObject({ preset: 'demo', folds: 5, repeats: 3, labels: [0.1, 0.25, 0.5, 1] });
    expect(plan.arms).toEqual(['scratch', 'frozen', 'contrastive']);
    expect(cellsOf({ ...plan, program })).toHaveLength(5 * 3 * 4 * 3);
    expect(plan.settings).toMatchObject({ threads: 4, pretraining: { epochs: 20 }, data: { splitSeed: 1 } });
    expect(newPlan({ data: '/data', settings: { threads: 1 } }, 4).settings.threads).toBe(1);
  });

  it.each([
    [{}, /no data folder; name it with --data/],
    [{ data: '/d', folds: 2 }, /folds: .*>=3/],
    [{ data: '/d', repeats: 0 }, /repeats: .*>=1/],
    [{ data: '/d', labels: [0.5, 0.5] }, /labels: expected each value once/],
    [{ data: '/d', labels: [0] }, /labels\.0: .*>0/],
    [{ data: '/d', arms: ['best'] }, /arms\.0: found "best"; expected one of scratch, /],
    [{ data: '/d', variants: { frozen: { arm: 'scratch', settings: {} } } }, /variants\.frozen: .*no arm/],
    [
      { data: '/d', ...variant({ localization: { epochs: 1 } }) },
      /variants\.other\.settings.*expected settings of tasks, encoder/,
    ],
    [
      {
        data: '/d',
        settings: { tasks: ['spider/narrowing'] },
        ...variant({ tasks: ['spider/modic'] }),
      },
      /variants\.other: found task spider\/modic; expected tasks of the study: spider\/narrowing/,
    ],
    [{ data: '/d', ...variant({ finetuning: { epoch: 1 } }) }, /no key finetuning\.epoch/],
    [{ data: '/d', settings: { data: { fold: 1 } } }, /data\.fold differs between cells; use --folds/],
    [{ data: '/d', settings: { pretraining: { epoch: 1 } } }, /no key pretraining\.epoch/],
    [{ data: '/d', arms: ['imported'] }, /encoder\.weights/],
  ])('refuses %o', (fields, message) => {
    expect(() => newPlan(fields as Parameters<typeof newPlan>[0], 1)).toThrow(
      expect.objectContaining({ code: 'ERR_CONFIG', message: expect.stringMatching(message) }),
    );
  });

  it('is read from a file with the fields that it has', async () => {
    const path = join(await temporaryFolder(), 'plan.json');
    writeFileSync(path, '{ "labels": [0.5], "settings": { "seed": 7 } }');
    expect(readPlanFile(path)).toEqual({ labels: [0.5], settings: { seed: 7 } });
    writeFileSync(path, '{ "label": [0.5] }');
    expect(() => readPlanFile(path)).toThrow(/ERR_STUDY_PLAN|Unrecognized key: "label"/);
    writeFileSync(path, '{');
    expect(() => readPlanFile(path)).toThrow(expect.objectContaining({ code: 'ERR_STUDY_PLAN' }));
  });
});

describe('the cells of a plan', () => {
  it('are all combinations, one repeat of all folds after the other', () => {
    const { cells } = studyOf();
    expect(cells.map(({ id }) => id).slice(0, 5)).toEqual([
      'fold0-repeat0-labels0.25-scratch',
      'fold0-repeat0-labels0.25-contrastive',
      'fold0-repeat0-labels1-scratch',
      'fold0-repeat0-labels1-contrastive',
      'fold1-repeat0-labels0.25-scratch',
    ]);
    expect(new Set(cells.map(({ id }) => id)).size).toBe(24);
    expect(cells.slice(0, 12).every(({ repeat }) => repeat === 0)).toBe(true);
  });

  it('differ in their own settings only: the repeats have other seeds and the same split', () => {
    const { plan } = studyOf({ settings: { seed: 5, data: { splitSeed: 9, labelSeed: 3 } } });
    const config = cellConfig(plan, baseConfig(plan), {
      fold: 2,
      repeat: 1,
      labels: 0.25,
      arm: 'contrastive',
    });
    const data = { folds: 3, fold: 2, labels: 0.25, labelSeed: 4, splitSeed: 9 };
    expect(config).toEqual(resolveConfig('demo', { seed: 6, threads: 2, arms: ['contrastive'], data }));
    // A stopped cell is resumed if config.json has the same settings.
    expect(JSON.parse(JSON.stringify(config))).toStrictEqual(config);
  });
});

describe('shared units', () => {
  const unitsOf = (change?: Parameters<typeof newPlan>[0], bank = 'a') => cellUnits(studyOf(change), bank);
  const pretrained = (units: CellUnit[]) => units.flatMap(({ pretraining }) => pretraining ?? []);

  it('are one localizer per fold, and one pretraining per fold and repeat for all label fractions', () => {
    const units = unitsOf();
    expect(new Set(units.map(({ localizer }) => localizer.dir)).size).toBe(3);
    expect(pretrained(units)).toHaveLength(12);
    expect(new Set(pretrained(units)).size).toBe(6);
    expect(
      units.filter(({ cell }) => cell.arm === 'scratch').every((unit) => unit.pretraining === null),
    ).toBe(true);
    expect(units[0]!.localizer).toMatchObject({ id: 'localizer-fold0' });
    expect(units[0]!.localizer.dir).toMatch(/^\/study\/artefacts\/localizer-[0-9a-f]{12}$/);
  });

  it('depend on the label fraction if grades are the positives of pretraining', () => {
    const units = pretrained(unitsOf({ settings: { pretraining: { positives: 'grade' } } }));
    expect(new Set(units.map(({ dir }) => dir)).size).toBe(12);
    expect(units[0]).toMatchObject({ id: 'pretraining-fold0-repeat0-labels0.25' });
    expect(units[0]!.config.data.labels).toBe(0.25);
  });

  it('of a variant are its own pretraining where it has other settings, and the localizer of all', () => {
    const [, other] = unitsOf(variant({ pretraining: { queue: 64 } }));
    const [, same] = unitsOf(variant({ finetuning: { ema: 0.9 } }));
    const [, contrastive] = unitsOf();
    expect(other!.localizer.dir).toBe(contrastive!.localizer.dir);
    expect(other!.pretraining!.dir).not.toBe(contrastive!.pretraining!.dir);
    expect(other!.pretraining!.id).toBe('pretraining-fold0-repeat0-other');
    expect(other!.pretraining!.config.pretraining.queue).toBe(64);
    expect(same!.pretraining!.dir).toBe(contrastive!.pretraining!.dir);
    expect(same!.config).toEqual({ ...contrastive!.config, finetuning: same!.config.finetuning });
    expect(same!.config.finetuning.ema).toBe(0.9);
  });

  it('have an address that follows from their own settings and the data', () => {
    const addresses = (settings: Record<string, unknown>, bank = 'a') => {
      const [unit] = unitsOf({ settings, arms: ['contrastive'] }, bank);
      return [unit!.localizer.dir, unit!.pretraining!.dir];
    };
    const [localizer, pretraining] = addresses({});
    expect(addresses({ finetuning: { epochs: 3 }, evaluation: { resamples: 5 } })).toEqual([
      localizer,
      pretraining,
    ]);
    const changed: [Record<string, unknown>, boolean, boolean][] = [
      [{ pretraining: { epochs: 3 } }, false, true],
      [{ augmentation: { noise: 0 } }, false, true],
      [{ localization: { epochs: 3 } }, true, false],
      [{ seed: 2 }, true, true],
      [{ threads: 1 }, true, true],
      [{ data: { splitSeed: 2 } }, true, true],
    ];
    for (const [settings, ofLocalizer, ofPretraining] of changed) {
      const [a, b] = addresses(settings);
      expect([settings, a !== localizer, b !== pretraining]).toEqual([settings, ofLocalizer, ofPretraining]);
    }
    expect(addresses({}, 'b')).not.toContain(localizer);
  });
});

describe('an opened study', () => {
  const grid = { data: '', folds: 3, repeats: 1, labels: [1], changes: [{ seed: 2 }] };
  beforeAll(async () => {
    grid.data = await tinyLayout([{ studyId: '1' }]);
  });
  afterAll(() => rm(grid.data, { recursive: true }));

  it('is refused with bad data or settings that do not fit them, and leaves no folder', async () => {
    const dir = join(await temporaryFolder(), 'studies', 'a');
    const refusal = (change: object) => expect(openStudy(dir, { ...grid, ...change }, 2)).rejects;
    await refusal({ data: join(grid.data, 'nowhere') }).toMatchObject({ code: 'ERR_DATA_LAYOUT' });
    await refusal({ data: join(grid.data, 'train.csv') }).toMatchObject({ code: 'ERR_DATA_LAYOUT' });
    await refusal({ settings: { tasks: ['rsna/nothing'] } }).toMatchObject({ code: 'ERR_TASK' });
    await refusal({ settings: { fusion: 'channels' } }).toMatchObject({ code: 'ERR_CONFIG' });
    const data = await tinyLayout([{ studyId: '1' }]);
    await rm(join(data, 'train.csv'));
    await mkdir(join(data, 'train.csv'));
    await refusal({ data }).toMatchObject({ code: 'ERR_FILE_READ' });
    await rm(data, { recursive: true });
    expect(existsSync(dirname(dir))).toBe(false);
  });

  it('keeps its plan without options, and refuses other settings, data and folds', async () => {
    const dir = await temporaryFolder();
    const { plan } = await openStudy(dir, grid, 2);
    const text = readFileSync(join(dir, 'study.json'), 'utf8');
    expect((await openStudy(dir, {}, 7)).plan).toEqual(plan);
    expect((await openStudy(dir, grid, 7)).plan).toEqual(plan);
    const refusal = (change: object) => expect(openStudy(dir, change, 2)).rejects;
    await refusal({ changes: [{ seed: 3 }] }).toThrow(
      /settings\.seed is 3, it was started with 2; omit the option/,
    );
    await refusal({ folds: 4 }).toThrow(expect.objectContaining({ code: 'ERR_STUDY_EXISTS' }));
    await refusal({ data: '/other' }).toThrow(/data is "\/other"/);
    expect(readFileSync(join(dir, 'study.json'), 'utf8')).toBe(text);
  });

  it('of an older version gets the defaults of settings that are new', async () => {
    const dir = await temporaryFolder();
    const { plan } = await openStudy(dir, grid, 2);
    const { evaluation: _, ...settings } = plan.settings;
    writeFileSync(join(dir, 'study.json'), JSON.stringify({ ...plan, settings }));
    expect((await openStudy(dir, {}, 2)).plan.settings).toEqual(settings);
  });

  it('grows by variants, and refuses to change one', async () => {
    const dir = await temporaryFolder();
    const { arms, variants } = variant({ finetuning: { ema: 0.9 } });
    await openStudy(dir, { ...grid, arms: ['scratch'] }, 2);
    const { cells } = await openStudy(dir, { arms, variants }, 2);
    expect(cells).toHaveLength(6);
    expect((await openStudy(dir, {}, 2)).plan.variants).toEqual(variants);
    await expect(openStudy(dir, variant({ finetuning: { ema: 0.5 } }), 2)).rejects.toThrow(
      /variants\.other\.settings\.finetuning\.ema is 0\.5, it was started with 0\.9/,
    );
  });

  it('grows by repeats, label fractions and arms', async () => {
    const dir = await temporaryFolder();
    const { cells } = await openStudy(dir, { ...grid, arms: ['scratch'] }, 2);
    const grown = await openStudy(dir, { repeats: 2, labels: [0.5, 1], arms: ['scratch', 'frozen'] }, 2);
    expect(cells).toHaveLength(3);
    expect(grown.cells).toHaveLength(24);
    expect(grown.cells).toEqual(expect.arrayContaining(cells));
    expect((await openStudy(dir, {}, 2)).cells).toEqual(grown.cells);
  });
});

describe('the time that is left', () => {
  const units = cellUnits(studyOf({ repeats: 1 }), 'a');
  const done = (seconds: number): UnitState => ({ state: 'done', result: { seconds } as Result });
  const running = (since: number) => ({ state: 'running', holder: { since } }) as UnitState;
  const left = (...states: UnitState[]) =>
    secondsLeft(
      states.map((state, index) => ({ unit: units[index]!, state })),
      100_000,
    );

  it('is unknown before a cell is complete', () => {
    expect(left({ state: 'open' }, running(0))).toBeNull();
  });

  it('is the mean of cells of the same arm and fraction, shared by the running workers', () => {
    // scratch 0.25, contrastive 0.25, scratch 1, contrastive 1, then the next fold
    const states = [done(10), done(20), done(40), done(60)];
    expect(left(...states, { state: 'open' })).toBe(10);
    expect(left(...states, { state: 'open' }, { state: 'open' }, { state: 'open' })).toBe(70);
    // Two workers; the first has worked for 4 s of 10 s, the second for longer than expected.
    expect(left(...states, running(96_000), running(0), { state: 'open' })).toBe((6 + 0 + 40) / 2);
    expect(left(done(10), { state: 'open' }, { state: 'open' })).toBe(20);
  });
});
