/** A study of tiny networks: what it writes, stops and resumes, several workers, and failing cells. */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readBank } from '#spinegrad/data/bank.js';
import { DEFAULT_SPLIT, splitOf } from '#spinegrad/data/split.js';
import { readCalibration } from '#spinegrad/evaluation/calibrationFile.js';
import { conformalSet } from '#spinegrad/evaluation/conformal.js';
import { readPredictions } from '#spinegrad/evaluation/predictionsFile.js';
import { calibrateTask } from '#spinegrad/evaluation/taskCalibration.js';
import { writeSafetensors } from '#spinegrad/io/safetensors.js';
import { reportStudy } from '#spinegrad/study/assemble.js';
import { readTestCrops } from '#spinegrad/study/cropsFile.js';
import { readEmbeddings, writeEmbeddings } from '#spinegrad/study/embeddingsFile.js';
import { cropSource } from '#spinegrad/study/errorCrops.js';
import { readStudyPredictions } from '#spinegrad/study/predictionsFile.js';
import { cellsOfShard, type Shard } from '#spinegrad/study/shards.js';
import { studyStatus } from '#spinegrad/study/status.js';
import { openStudy, readStudy } from '#spinegrad/study/study.js';
import { cellUnits } from '#spinegrad/study/units.js';
import { workOnStudy } from '#spinegrad/study/worker.js';
import { parseSetting } from '#spinegrad/training/config.js';
import { silent } from '#spinegrad/training/progress.js';
import { failure, spinegrad } from '../cli/command.js';
import { tinyLayout } from '../data/layout.js';
import { describeMpi } from '../mpirun.js';
import { changes, stoppedRun, temporaryFolder, trainHere } from '../training/runs.js';

const FOLDS = 3;
const SETTINGS = changes({ threads: 1, 'pretraining.epochs': 1, 'localization.epochs': 1 });
const GRID = {
  folds: FOLDS,
  repeats: 1,
  labels: [0.5, 1],
  arms: ['scratch' as const, 'contrastive' as const],
};

let data: string;
let dir: string;
let reference: string;

beforeAll(async () => {
  data = await tinyLayout(patients(4).map((studyId) => ({ studyId })));
  dir = await started();
  await workHere(dir);
  await reportStudy(readStudy(dir));
  reference = predictionsOf(dir);
});
afterAll(() => rm(data, { recursive: true }));

/** Ids of patients, as many in each fold. */
function patients(perFold: number): string[] {
  const testFold = (id: string) =>
    Array.from({ length: FOLDS }, (_, fold) =>
      splitOf(id, { ...DEFAULT_SPLIT, seed: 1, folds: FOLDS, fold }),
    ).indexOf('test');
  const counts = new Array<number>(FOLDS).fill(0);
  const ids: string[] = [];
  for (let id = 1; ids.length < FOLDS * perFold; id++) {
    if (counts[testFold(`${id}`)]!++ < perFold) ids.push(`${id}`);
  }
  return ids;
}

/** The folder of a new study. */
async function started(): Promise<string> {
  const folder = join(await temporaryFolder(), 'study');
  await openStudy(folder, { ...GRID, data, preset: 'smoke', changes: SETTINGS.map(parseSetting) }, 1);
  return folder;
}

/** A copy of the finished study. */
async function copied(): Promise<string> {
  const folder = join(await temporaryFolder(), 'study');
  await cp(dir, folder, { recursive: true });
  return folder;
}

const workHere = (folder: string, shard: Shard = { index: 1, count: 1 }): Promise<void> =>
  workOnStudy(readStudy(folder), {
    device: 'cpu',
    shard,
    progress: silent,
    signal: new AbortController().signal,
  });

const predictionsOf = (folder: string): string => readFileSync(join(folder, 'predictions.csv'), 'utf8');

const statesOf = (folder: string): string[] =>
  studyStatus(readStudy(folder)).cells.map(({ state }) => state.state);

const args = (out: string, ...more: string[]): string[] => [
  'study',
  '--device',
  'cpu',
  '--out',
  out,
  ...more,
];

describe('a finished study', () => {
  it('has one bank, one localizer and one pretraining per fold, and no checkpoint', () => {
    const artefacts = readdirSync(join(dir, 'artefacts')).map((name) => name.split('-')[0]);
    expect(artefacts.sort()).toEqual([...Array(3).fill('localizer'), ...Array(3).fill('pretraining')]);
    expect(readdirSync(join(dir, 'cells'))).toHaveLength(12);
    expect(readdirSync(join(dir, 'cells', 'fold1-repeat0-labels0.5-contrastive')).sort()).toEqual([
      'calibration.csv',
      'config.json',
      'localization.csv',
      'metrics.jsonl',
      'predictions.csv',
      'result.json',
    ]);
    const files = readdirSync(dir, { recursive: true }).map(String);
    expect(files.filter((name) => /checkpoints|\.tmp$/.test(name))).toEqual([]);
    expect(readdirSync(dir).sort()).toEqual(
      expect.arrayContaining([
        'artefacts',
        'bank',
        'cells',
        'claims',
        'predictions.csv',
        'study.json',
        'summary.json',
      ]),
    );
  });

  it('tests every patient once per repeat with each label fraction and arm', async () => {
    const lines = await readStudyPredictions(join(dir, 'predictions.csv'));
    for (const labels of GRID.labels) {
      for (const arm of GRID.arms) {
        const own = lines.filter(
          (line) => line.labels === labels && line.arm === arm && line.crops === 'predicted',
        );
        const discs = own.map(({ study, level }) => `${study} ${level}`);
        expect(discs).toHaveLength(12 * 5);
        expect(new Set(discs).size).toBe(12 * 5);
      }
    }
  });

  it('has in each cell the predictions of a run with the settings of the cell', async () => {
    const cell = join(dir, 'cells', 'fold2-repeat0-labels0.5-contrastive');
    const { config } = JSON.parse(readFileSync(join(cell, 'config.json'), 'utf8'));
    const run = await temporaryFolder();
    const { preset: _, ...settings } = config;
    await trainHere(run, data, settings);
    for (const name of ['predictions.csv', 'localization.csv'])
      expect(readFileSync(join(cell, name), 'utf8')).toBe(readFileSync(join(run, name), 'utf8'));
  });

  it('has in each cell the validation probabilities that its temperature and sets follow from', async () => {
    for (const name of ['fold0-repeat0-labels1-scratch', 'fold1-repeat0-labels0.5-contrastive']) {
      const cell = join(dir, 'cells', name);
      const lines = await readCalibration(join(cell, 'calibration.csv'));
      const rows = lines.map(({ probabilities }) => probabilities);
      const truth = lines.map((line) => line.truth);
      const { temperature, minimums } = calibrateTask('', rows, truth, rows[0]!.length, 0.9);
      for (const line of await readPredictions(join(cell, 'predictions.csv'))) {
        expect(line.trust!.temperature).toBe(temperature);
        expect(line.trust!.set).toEqual(conformalSet(line.probabilities, minimums));
      }
    }
  });

  it('keeps the embeddings of the test discs of one repeat at the largest label fraction', async () => {
    expect(await readEmbeddings(join(dir, 'cells', 'fold0-repeat0-labels0.5-scratch'))).toBeUndefined();
    const cell = join(dir, 'cells', 'fold2-repeat0-labels1-contrastive');
    const { discs, values, features } = (await readEmbeddings(cell))!;
    const predictions = await readPredictions(join(cell, 'predictions.csv'));
    const own = predictions.filter(({ crops }) => crops === 'predicted');
    expect(discs).toEqual(own.map(({ study, level, side }) => ({ study, level, side })));
    expect(values).toHaveLength(discs.length * features);
  });

  it('grows by a variant, under its own name in all results', async () => {
    const folder = await copied();
    const variants = {
      'other-positives': { arm: 'contrastive' as const, settings: { pretraining: { positives: 'level' } } },
    };
    await openStudy(
      folder,
      { labels: [1], arms: ['scratch', 'contrastive', 'other-positives'], variants },
      1,
    );
    await workHere(folder);
    const { plan, tasks, curves } = await reportStudy(readStudy(folder));
    expect(plan.arms[2]).toEqual({
      name: 'other-positives',
      description: 'contrastive with pretraining.positives="level"',
    });
    const names = ['scratch', 'contrastive', 'other-positives'];
    expect(tasks[0]!.blocks[0]!.arms.map(({ name }) => name)).toEqual(names);
    expect(curves[0]!.arms.map(({ name }) => name)).toEqual(names);
    const cell = join(folder, 'cells', 'fold1-repeat0-labels1-other-positives');
    const { config } = JSON.parse(readFileSync(join(cell, 'config.json'), 'utf8'));
    expect(config).toMatchObject({ arms: ['contrastive'], pretraining: { positives: 'level' } });
    const before = reference.split('\n').filter((line) => /^\d,\d,1,/.test(line));
    const lines = predictionsOf(folder).split('\n');
    expect(before.length).toBeGreaterThan(0);
    expect(lines).toEqual(expect.arrayContaining(before));
  });

  it('predicts the same from the crops of the fold as from crops that a cell cuts itself', async () => {
    const folder = await copied();
    const localizer = readdirSync(join(folder, 'artefacts')).filter((name) => name.startsWith('localizer'));
    for (const name of localizer) rmSync(join(folder, 'artefacts', name, 'crops.safetensors'));
    for (const id of ['fold0-repeat0-labels0.5-scratch', 'fold1-repeat0-labels1-contrastive']) {
      const cell = join(folder, 'cells', id);
      for (const name of ['result.json', 'predictions.csv']) rmSync(join(cell, name));
    }
    await workHere(folder);
    await reportStudy(readStudy(folder));
    expect(predictionsOf(folder)).toBe(reference);
  });

  it('finds the crops of its test discs where the localizer placed them, else in the bank', async () => {
    const folder = await copied();
    const study = readStudy(folder);
    const { manifest, rois } = await readBank(join(folder, 'bank'));
    const {
      study: patient,
      level,
      side,
      fold,
      task,
    } = (await readStudyPredictions(join(folder, 'predictions.csv'))).find((line) => line.fold === 1)!;
    const disc = { study: patient, level, side, fold };
    const { unit } = studyStatus(study).shared.find(({ unit: { id } }) => id === 'localizer-fold1')!;
    const record = manifest.rois.find(
      (roi) => roi.studyId === patient && roi.level === level && roi.sliceOffset === 0,
    )!;
    const { pixels, rows, size } = (await readTestCrops(unit.dir))!;
    const row = rows.get(record.disc)!;
    const area = size ** 2;
    const found = await cropSource(study, manifest)(task, disc);
    expect(found).toEqual({
      pixels: pixels.slice(row * area, (row + 1) * area),
      width: size,
      height: size,
    });
    expect(await cropSource(study, manifest)(task, { ...disc, study: 'nobody' })).toBeNull();
    rmSync(join(unit.dir, 'crops.safetensors'));
    const annotated = await cropSource(study, manifest)(task, disc);
    expect(annotated!.pixels).toEqual(rois.slice(record.row * area, (record.row + 1) * area));
    rmSync(join(folder, 'bank', 'bank.safetensors'));
    expect(await cropSource(study, manifest)(task, disc)).toBeNull();
  });

  it('is reported with maps, crops, curves and the pooled calibration', async () => {
    const folder = await copied();
    const page = readFileSync(join(folder, 'report.html'), 'utf8');
    expect(page).toContain('Map (UMAP) of the embeddings');
    expect(page).toContain('data:image/png;base64,');
    const names = ['calibration.csv', 'curves.csv', 'report.html', 'summary.json', 'figures/map-grades.svg'];
    const before = names.map((name) => readFileSync(join(folder, name), 'utf8'));
    const { tasks, curves, embeddings } = await reportStudy(readStudy(folder));
    for (const arm of tasks[0]!.blocks[0]!.arms) expect(arm.trust!.pooled).not.toBeNull();
    expect(curves.map(({ labels, arms }) => [labels, arms.map(({ cells }) => cells)])).toEqual([
      [0.5, [3, 3]],
      [1, [3, 3]],
    ]);
    expect(embeddings.map(({ arm, fold, discs }) => [arm, fold, discs])).toEqual([
      ['scratch', 0, 20],
      ['contrastive', 0, 20],
    ]);
    names.forEach((name, i) => {
      // The date of the program is in both of these.
      if (!/report|summary/.test(name)) expect(readFileSync(join(folder, name), 'utf8')).toBe(before[i]);
    });

    // Without what older cells lack, and without the pixels of the bank.
    for (const name of readdirSync(join(folder, 'artefacts')))
      rmSync(join(folder, 'artefacts', name, 'crops.safetensors'), { force: true });
    rmSync(join(folder, 'bank', 'bank.safetensors'));
    for (const id of readdirSync(join(folder, 'cells')))
      for (const name of ['calibration.csv', 'embeddings.safetensors'])
        rmSync(join(folder, 'cells', id, name), { force: true });
    const bare = await reportStudy(readStudy(folder));
    expect(bare.tasks[0]!.blocks[0]!.arms[0]!.trust!.pooled).toBeNull();
    expect(bare.embeddings).toEqual([]);
    const barePage = readFileSync(join(folder, 'report.html'), 'utf8');
    for (const text of ['pooled calibration is missing', 'no map of the embeddings', 'No crop is shown'])
      expect(barePage).toContain(text);
    expect(barePage).not.toContain('data:image/png');
  });

  it('refuses embeddings of other discs than those of the bank', async () => {
    const folder = await copied();
    const cell = join(folder, 'cells', 'fold0-repeat0-labels1-scratch');
    const stored = (await readEmbeddings(cell))!;
    await writeEmbeddings(cell, { ...stored, discs: stored.discs.toReversed() });
    await expect(reportStudy(readStudy(folder))).rejects.toThrow(/embeddings of other discs/);
  });

  it('refuses damaged crops and embeddings', async () => {
    const folder = await copied();
    const id = 'fold0-repeat0-labels0.5-scratch';
    const localizer = studyStatus(readStudy(folder)).shared.find(
      ({ unit }) => unit.id === 'localizer-fold0',
    )!;
    const pixels = { shape: [1, 2, 2], data: new Uint16Array(4) };
    const crops = { validation: pixels, test: pixels };
    await writeSafetensors(join(localizer.unit.dir, 'crops.safetensors'), crops, {
      validation: '[]',
      test: '[]',
    });
    rmSync(join(folder, 'cells', id, 'result.json'));
    await workHere(folder);
    const failed = readFileSync(join(folder, 'cells', id, 'failed.json'), 'utf8');
    expect(failed).toMatch(/ERR_STUDY_FILE.*\n.*crops\.safetensors: is damaged; delete .*localizer-/);

    const cell = join(folder, 'cells', 'fold0-repeat0-labels1-scratch');
    await writeSafetensors(join(cell, 'embeddings.safetensors'), crops);
    await expect(readEmbeddings(cell)).rejects.toThrow(/embeddings\.safetensors: found no table/);
  });
});

describe('a study that is killed', () => {
  it('resumes with the same bytes, also by shards', async () => {
    const folder = await started();
    const killed = await stoppedRun(args(folder), ['cells/fold1.*-contrastive/checkpoints', 2, 'SIGKILL']);
    expect(killed.signal).toBe('SIGKILL');
    expect(statesOf(folder)).toEqual([...Array(5).fill('done'), ...Array(7).fill('open')]);
    const epochs = join(folder, 'cells', 'fold1-repeat0-labels0.5-contrastive', 'checkpoints');
    expect(readdirSync(epochs)).toContain('finetuning-contrastive.safetensors');
    const { stdout } = await spinegrad('study', 'status', '--out', folder);
    expect(stdout).toMatch(/cells +12 +5 +0 +0\n/);
    const shard = { index: 1, count: 2 };
    const { manifest } = await readBank(join(folder, 'bank'));
    const units = cellUnits(readStudy(folder), manifest.fingerprint);
    const own = new Set(cellsOfShard(units, manifest, shard));
    expect(own.size).toBe(6);
    await workHere(folder, shard);
    expect(statesOf(folder).map((state) => state === 'done')).toEqual(
      units.map((cell, position) => position < 5 || own.has(cell)),
    );
    await workHere(folder, { index: 2, count: 2 });
    await reportStudy(readStudy(folder));
    expect(predictionsOf(folder)).toBe(reference);
  });
});

describe('two workers', () => {
  it('give the same bytes as one', async () => {
    const folder = await started();
    const ended = await spinegrad(...args(folder, '--jobs', '2'));
    expect(ended).toMatchObject({ status: 0 });
    const finished = ended.stderr.split('\n').filter((line) => /^cells \d+\/12.* done$/.test(line));
    expect(finished.map((line) => line.split(' ').at(-2)).sort()).toEqual(
      [
        ...[
          'bank',
          ...[0, 1, 2].flatMap((fold) => [`localizer-fold${fold}`, `pretraining-fold${fold}-repeat0`]),
        ],
        ...readStudy(folder).cells.map(({ id }) => id),
      ].sort(),
    );
    expect(predictionsOf(folder)).toBe(reference);
  });
});

describeMpi((mpirun) => {
  it('gives the same bytes as one process, and only the first rank reports', async () => {
    const folder = await started();
    const ended = await mpirun(...args(folder));
    expect(ended).toMatchObject({ status: 0 });
    expect(ended.stdout.match(/^report: /gm)).toHaveLength(1);
    expect(predictionsOf(folder)).toBe(reference);
  }, 180_000);
});

describe('a failing unit', () => {
  /** Makes a unit of a complete study open again, with a damaged checkpoint. */
  function damage(folder: string, unit: string, stage: string): string {
    rmSync(join(folder, unit, 'result.json'));
    mkdirSync(join(folder, unit, 'checkpoints'));
    const path = join(folder, unit, 'checkpoints', `${stage}.safetensors`);
    writeFileSync(path, 'damaged');
    return path;
  }

  it('is reported and skipped, and tried again by the next run', async () => {
    const folder = await copied();
    const cell = 'fold0-repeat0-labels1-scratch';
    const { shared } = studyStatus(readStudy(folder));
    const pretraining = shared.find(({ unit }) => unit.id === 'pretraining-fold1-repeat0')!.unit.dir;
    const blocked = 'fold1-repeat0-labels1-contrastive';
    rmSync(join(folder, 'cells', blocked, 'result.json'));
    const other = 'fold2-repeat0-labels1-scratch';
    rmSync(join(folder, 'cells', other, 'result.json'));
    const damaged = [
      damage(folder, join('cells', cell), 'finetuning-scratch'),
      damage(folder, pretraining.slice(folder.length), 'pretraining'),
    ];

    const ended = await spinegrad(...args(folder));
    expect(ended.status).toBe(1);
    expect(failure(ended)).toMatch(/ERR_STUDY_FAILED: .*: 2 of 12 cells failed; remove the causes/);
    expect(ended.stderr).toMatch(new RegExp(`\nfailed: ${cell}: ERR_CHECKPOINT: `));
    expect(ended.stderr).toContain(`failed: ${blocked}: needs pretraining-fold1-repeat0, which failed`);
    expect(existsSync(join(folder, 'cells', other, 'result.json'))).toBe(true);
    const { stdout } = await spinegrad('study', 'status', '--out', folder);
    expect(stdout).toMatch(/cells +12 +10 +0 +2\n/);
    expect(stdout).toMatch(new RegExp(`failed: ${cell}: ERR_CHECKPOINT`));
    expect(predictionsOf(folder).split('\n').length).toBeLessThan(reference.split('\n').length);

    for (const path of damaged) rmSync(path);
    await workHere(folder);
    await reportStudy(readStudy(folder));
    expect(predictionsOf(folder)).toBe(reference);
  });
});

describe('the command line of a study', () => {
  it.each([
    [['--out', 'x', '--shard', '0/2'], /i from 1 to n/],
    [['--out', 'x', '--labels', '0,1'], /fractions above 0/],
    [['--data', 'x'], /'--out <folder>' not specified/],
    [['--out', '/tmp/none', '--folds', '5'], /ERR_CONFIG: study: found no data folder/],
    [['status', '--out', '/tmp/none'], /ERR_STUDY_MISSING: .*study\.json/],
  ])('study %j is refused', async (flags, message) => {
    const { status, stderr } = await spinegrad('study', ...flags);
    expect(stderr).toMatch(message);
    expect(status).toBe(/ERR_STUDY_MISSING/.test(stderr) ? 1 : 2);
    expect(existsSync('/tmp/none')).toBe(false);
  });
});
