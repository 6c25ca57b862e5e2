import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { evaluateTask, groupPredictions } from '#spinegrad/evaluation/evaluateTask.js';
import {
  CROPS,
  formatPredictions,
  type Prediction,
  readPredictions,
} from '#spinegrad/evaluation/predictionsFile.js';
import { RandomStream } from '#spinegrad/random.js';
import type { GradeScale } from '#spinegrad/tasks/task.js';
import { HERNIATION, PFIRRMANN } from '../tasks/examples.js';

const SCALES: Record<string, GradeScale> = { [PFIRRMANN.id]: PFIRRMANN, [HERNIATION.id]: HERNIATION };
const namesOf = (task: string) => SCALES[task]!.grades.map(({ name }) => name);

/** Predictions of two tasks and two arms for `studies` patients; probabilities are float32 values, as from a device. */
function simulate(studies: number, seed = 1, prefix = ''): Prediction[] {
  const random = new RandomStream(seed);
  return Object.entries(SCALES).flatMap(([task, { grades }]) =>
    ['scratch', 'contrastive'].flatMap((arm) =>
      CROPS.flatMap((crops) =>
        Array.from({ length: 3 * studies }, (_, i): Prediction => {
          const scores = grades.map(() => random.uniform());
          const total = scores.reduce((sum, score) => sum + score, 0);
          return {
            ...{
              task,
              arm,
              crops,
              study: `${prefix}${Math.floor(i / 3)}`,
              level: `L${(i % 3) + 1}`,
              side: null,
            },
            truth: i % grades.length,
            probabilities: scores.map((score) => Math.fround(score / total)),
            trust: {
              temperature: 0.5 + random.uniform(),
              set: grades.flatMap((_, grade) => (grade % 2 === i % 2 ? [grade] : [])),
              setCoverage: 0.9,
              novelty: random.uniform(0, 2),
            },
            image: `images/${i}.png`,
            centre: [random.uniform(0, 400), 1e-7],
            localizationMm: i % 4 === 0 ? null : random.uniform(),
            levelProbability: i % 4 === 0 ? null : Math.fround(random.uniform()),
            flags: i % 5 === 0 ? ['level uncertain', 'few discs'] : [],
          };
        }),
      ),
    ),
  );
}

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'spinegrad-predictions-'));
});
afterAll(() => rm(folder, { recursive: true }));

async function stored(text: string): Promise<string> {
  const path = join(folder, 'predictions.csv');
  await writeFile(path, text);
  return path;
}

const OPTIONS = { seed: 3, resamples: 50 };

describe('predictions.csv', () => {
  it('has one line per prediction, with the grades as numbers and names', () => {
    const [header, first, ...rest] = formatPredictions(simulate(4), namesOf).trimEnd().split('\n');
    expect(header).toBe(
      'task,arm,crops,study,level,side,truth,predicted,p_0,p_1,p_2,p_3,p_4,truth_name,predicted_name,' +
        'temperature,set,set_coverage,novelty,image,x,y,localization_mm,level_probability,flags',
    );
    expect(first).toMatch(/^test\/pfirrmann,scratch,predicted,0,L1,,0,\d,0\.\d+,/);
    expect(rest).toHaveLength(2 * 2 * 2 * 12 - 1);
  });

  it('reads back to the same predictions and the same figures', async () => {
    const predictions = simulate(12);
    const read = await readPredictions(await stored(formatPredictions(predictions, namesOf)));
    expect(read).toEqual(predictions);
    for (const { task, arms } of groupPredictions(read)) {
      const direct = groupPredictions(predictions).find((group) => group.task === task)!;
      expect(evaluateTask(arms, SCALES[task]!, OPTIONS)).toEqual(
        evaluateTask(direct.arms, SCALES[task]!, OPTIONS),
      );
    }
  });

  it('reads a file without the columns of a calibration', async () => {
    const predictions = simulate(12).map(({ trust: _, ...line }) => line);
    const read = await readPredictions(await stored(formatPredictions(predictions, namesOf)));
    expect(read).toEqual(predictions);
    const [{ task, arms }] = groupPredictions(read) as [ReturnType<typeof groupPredictions>[number]];
    expect(evaluateTask(arms, SCALES[task]!, OPTIONS).arms[0]!.trust).toBeNull();
  });

  it.each([
    '=HYPERLINK("http://x")',
    '+1',
    '-1+1',
    '@SUM(A1)',
    "'quoted",
    'a,b',
    'a "b"',
    'two\nlines',
    '\tx',
    ' x ',
  ])('keeps the study %j and makes it no formula', async (study) => {
    const [prediction] = simulate(1);
    const text = formatPredictions([{ ...prediction!, study, image: study }], namesOf);
    expect(text).not.toMatch(/(^|[,\n"])[=+\-@\t]/);
    const [read] = await readPredictions(await stored(text));
    expect(read).toMatchObject({ study, image: study });
  });

  it.each([
    ['truth', 'x', /line 2: column truth: found 'x', expected a number/],
    ['p_1', '0,5', /line 2: column p_1: found '0,5', expected a number/],
    ['crops', 'all', /column crops: found 'all', expected one of predicted, annotated/],
    ['study', '', /column study: found '', expected a name/],
    ['set', '0 5', /column set: found '0 5', expected whole numbers from 0 to 4, separated by spaces/],
  ])('names file, line and column of an invalid %s', async (column, value, message) => {
    const [header, first] = formatPredictions(simulate(1), namesOf).split('\n');
    const cells = first!.split(',');
    cells[header!.split(',').indexOf(column)] = `"${value}"`;
    const path = await stored(`${header}\n${cells}\n`);
    const failure = readPredictions(path);
    await expect(failure).rejects.toMatchObject({ code: 'ERR_PREDICTIONS' });
    await expect(failure).rejects.toThrow(message);
    await expect(failure).rejects.toThrow(path);
  });

  it('names a missing column', async () => {
    await expect(readPredictions(await stored('task,arm\n'))).rejects.toMatchObject({
      code: 'ERR_CSV_HEADER',
      message: expect.stringContaining('crops, study, level'),
    });
  });
});

describe('pooled folds', () => {
  it('are one sample of all patients, with paired comparisons', () => {
    const pooled = groupPredictions([...simulate(12, 1, 'a'), ...simulate(12, 2, 'b')]);
    expect(pooled.map(({ task }) => task)).toEqual(Object.keys(SCALES));
    const { arms, comparisons } = evaluateTask(pooled[0]!.arms, SCALES[pooled[0]!.task]!, OPTIONS);
    expect(arms.map(({ name }) => name)).toEqual(['scratch', 'contrastive']);
    expect(arms[0]!.predicted.patients).toBe(24);
    expect(comparisons.predicted).toMatchObject([{ a: 'contrastive', b: 'scratch' }]);
    expect(comparisons.predicted[0]!.difference.low).not.toBeNull();
    expect(comparisons.annotated[0]!.difference.value).not.toBe(comparisons.predicted[0]!.difference.value);
  });

  it('refuse the same disc twice', () => {
    expect(() => groupPredictions([...simulate(2), ...simulate(2)])).toThrow(
      /two of arm scratch for study 0, L1, predicted crops, task test\/pfirrmann/,
    );
  });
});
