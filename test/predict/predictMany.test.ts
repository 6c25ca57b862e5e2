/** Many studies: one failing, a stop and a resume, several processes, and the command. */
import { spawnSync } from 'node:child_process';
import { appendFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { mpiRank } from '#spinegrad/cli/rank.js';
import { openDevice } from '#spinegrad/engine/openDevice.js';
import { loadModel, type Model } from '#spinegrad/model/bundle.js';
import { predict } from '#spinegrad/predict/predict.js';
import { PredictionFolder } from '#spinegrad/predict/predictionFolder.js';
import { isFailed, predictMany, type StudyOutcome } from '#spinegrad/predict/predictMany.js';
import { describeMpi } from '../mpirun.js';
import { trainedModel, writePng } from './models.js';

const SPACING = 4;
const WHOLE = { index: 1, count: 1 };

const device = await openDevice('cpu', { threads: 2 });
let folder: string;
let dir: string;
let model: Model;
/** Three equal studies, and between them one that is not an image. */
let studies: string[];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'spinegrad-many-'));
  const trained = await trainedModel(device, folder);
  dir = trained.model;
  model = await loadModel(dir, device);
  studies = [1, 2, 3, 4].map((n) => join(folder, `${n}.png`));
  for (const path of studies) await writePng(path, trained.image);
  writeFileSync(studies[1]!, 'no image');
});
afterAll(async () => {
  model.dispose();
  device.close();
  await rm(folder, { recursive: true });
});

const all = async (inputs: readonly string[]): Promise<StudyOutcome[]> => {
  const outcomes: StudyOutcome[] = [];
  for await (const outcome of predictMany(device, model, inputs, { spacing: SPACING }))
    outcomes.push(outcome);
  return outcomes;
};

const newFolder = (): Promise<string> => mkdtemp(join(folder, 'out-'));

describe('predictMany', () => {
  it('grades each study as predict does, and skips one that fails', async () => {
    const outcomes = await all(studies);
    expect(outcomes.map((outcome) => outcome.input)).toEqual(studies);
    expect(outcomes.map(isFailed)).toEqual([false, true, false, false]);
    expect(outcomes[1]).toMatchObject({ code: 'ERR_PNG', message: expect.stringContaining(studies[1]!) });
    const { prediction } = await predict(device, { model, input: studies[2]!, spacing: SPACING });
    expect(outcomes[2]).toEqual(prediction);
    expect(prediction.levels.length).toBeGreaterThan(0);
  });

  it('stops before the next study', async () => {
    const abort = new AbortController();
    const signal = abort.signal;
    const outcomes = predictMany(device, model, studies, { spacing: SPACING, signal });
    await outcomes.next();
    abort.abort();
    await expect(outcomes.next()).rejects.toBe(signal.reason);
  });
});

describe('a folder of predictions', () => {
  it('keeps the outcomes, drops a partial last line, and writes a line per grade', async () => {
    const out = await newFolder();
    const first = await PredictionFolder.open(out, model, WHOLE);
    const outcomes = await all(studies.slice(0, 3));
    for (const outcome of outcomes.slice(0, 2)) await first.append(outcome);
    const lines = join(out, 'predictions-1-of-1.jsonl');
    appendFileSync(lines, '{"input":"cut');
    const second = await PredictionFolder.open(out, model, WHOLE);
    await second.append(outcomes[2]!);
    expect([...(await second.read()).values()]).toEqual(outcomes);
    await second.writeGrades();
    const rows = readFileSync(join(out, 'grades.csv'), 'utf8').trim().split('\n');
    const grades = outcomes.flatMap((outcome) =>
      isFailed(outcome) ? [] : outcome.levels.flatMap((level) => level.grades),
    );
    expect(rows).toHaveLength(1 + grades.length + 1);
    const doubtful = rows.slice(1).map((row) => row.split(',')[7]);
    expect(doubtful.filter((field) => field !== '')).toEqual(grades.map((grade) => String(grade.doubtful)));
    expect(rows[0]).toBe('input,level,task,side,grade,probability,set,doubtful,novelty,file,x,y,error');
    expect(rows.filter((row) => row.endsWith(',ERR_PNG'))).toHaveLength(1);
  });

  it('refuses the predictions of another arm, and a damaged line', async () => {
    const out = await newFolder();
    await PredictionFolder.open(out, model, WHOLE);
    const other = await loadModel(dir, device, 'scratch');
    await expect(PredictionFolder.open(out, other, WHOLE)).rejects.toMatchObject({
      code: 'ERR_PREDICTIONS',
      message: expect.stringContaining('choose another --out'),
    });
    other.dispose();
    const description = join(out, 'predictions.json');
    const text = readFileSync(description, 'utf8');
    writeFileSync(description, 'damaged');
    await expect(PredictionFolder.open(out, model, WHOLE)).rejects.toThrow(
      /predictions\.json: found damaged/,
    );
    writeFileSync(description, text);
    const opened = await PredictionFolder.open(out, model, WHOLE);
    for (const line of ['damaged', 'null', '{"input":"a"}', '{"input":"a","levels":[{"level":"L4/L5"}]}']) {
      writeFileSync(join(out, 'predictions-1-of-2.jsonl'), `${line}\n`);
      await expect(opened.read()).rejects.toThrow(
        /predictions-1-of-2\.jsonl: line 1: is not the outcome of a study; remove it/,
      );
    }
  });
});

describe('spinegrad predict --out', () => {
  const command = (args: string[], env: NodeJS.ProcessEnv = {}) =>
    spawnSync(
      process.execPath,
      ['dist/cli/main.js', 'predict', '--model', dir, '--spacing', `${SPACING}`, '--device', 'cpu', ...args],
      { encoding: 'utf8', env: { ...process.env, ...env } },
    );

  it('grades a list in two parts like one process, and tries only failed studies again', async () => {
    const [whole, parts] = [await newFolder(), await newFolder()];
    const list = join(folder, 'list.txt');
    writeFileSync(list, `# studies\n${studies.slice(1).join('\r\n')}\n`);
    const one = command(['--out', whole, studies[0]!, '--list', list]);
    expect(one.stderr).toMatch(/not graded: .*2\.png/);
    expect(one.stdout).toMatch(/graded 3, \d with doubts or missing grades; failed 1/);
    expect(one.status).toBe(4);
    const rank = (n: number) => ({ OMPI_COMM_WORLD_RANK: `${n}`, OMPI_COMM_WORLD_SIZE: '2' });
    expect(command(['--out', parts, ...studies], rank(0)).stdout).toMatch(/graded 2, .* failed 0/);
    expect(command(['--out', parts, '--shard', '2/2', ...studies]).stdout).toMatch(/graded 1, .* failed 1/);
    expect(existsSync(join(parts, 'predictions-2-of-2.jsonl'))).toBe(true);
    expect(readFileSync(join(parts, 'grades.csv'), 'utf8')).toBe(
      readFileSync(join(whole, 'grades.csv'), 'utf8'),
    );
    await cp(studies[0]!, studies[1]!);
    const again = command(['--out', parts, ...studies]);
    expect(again.stdout).toMatch(/graded 1, .* failed 0/);
    expect(readFileSync(join(parts, 'grades.csv'), 'utf8')).not.toContain('ERR_PNG');
  });

  it.each([
    [[], /found 0 inputs; expected one study, or --out FOLDER for many/],
    [['a.png', 'b.png'], /found 2 inputs/],
    [['a.png', '--shard', '1/2'], /found --shard; expected one study/],
    [['--out', 'x'], /found no study/],
    [['a.png', '--out', 'x', '--json', 'y'], /cannot be used with/],
    [['a.png', '--out', 'x', '--shard', '3/2'], /expected i\/n/],
  ])('%j is refused', (args, message) => {
    const { status, stderr } = command(args);
    expect(stderr).toMatch(message);
    expect(status).toBe(2);
  });
});

describeMpi((mpirun) => {
  it('grades a part of the studies in each rank', async () => {
    const out = await newFolder();
    const { status, stdout } = await mpirun(
      ...['predict', '--model', dir, '--spacing', `${SPACING}`, '--device', 'cpu', '--out', out],
      ...[studies[0]!, studies[2]!],
    );
    expect(status).not.toBe(1);
    expect(stdout.match(/graded 1, /g)).toHaveLength(2);
    const graded = await PredictionFolder.open(out, model, WHOLE).then((opened) => opened.read());
    expect([...graded.values()].map(isFailed)).toEqual([false, false]);
  });
});

it('mpiRank is the rank of Open MPI or MPICH, and null without mpirun', () => {
  expect(mpiRank({ OMPI_COMM_WORLD_RANK: '2', OMPI_COMM_WORLD_SIZE: '4' })).toEqual({ index: 3, count: 4 });
  expect(mpiRank({ PMI_RANK: '0', PMI_SIZE: '2' })).toEqual({ index: 1, count: 2 });
  expect(mpiRank({})).toBeNull();
  expect(mpiRank({ PMI_RANK: '2', PMI_SIZE: '2' })).toBeNull();
});
