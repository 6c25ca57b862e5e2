import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  formatStudyPredictions,
  readStudyPredictions,
  type StudyPrediction,
} from '#spinegrad/study/predictionsFile.js';
import { HERNIATION, PFIRRMANN } from '../tasks/examples.js';

const namesOf = (task: string) =>
  [PFIRRMANN, HERNIATION].find(({ id }) => id === task)!.grades.map(({ name }) => name);

const prediction = (values: Partial<StudyPrediction>): StudyPrediction => ({
  ...{ fold: 0, repeat: 0, labels: 1, task: PFIRRMANN.id, arm: 'scratch', crops: 'predicted' },
  ...{ study: '7', level: 'L4/L5', side: null, truth: 2, probabilities: [0.1, 0.1, 0.5, 0.2, 0.1] },
  ...{ image: '7.png', centre: [3.5, 4], localizationMm: 1.25, levelProbability: 0.9, flags: ['few discs'] },
  ...values,
});

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'spinegrad-study-'));
});
afterAll(() => rm(folder, { recursive: true }));

async function stored(text: string): Promise<string> {
  const path = join(folder, 'predictions.csv');
  await writeFile(path, text);
  return path;
}

describe('predictions.csv of a study', () => {
  it('has the cell before the columns of a run', () => {
    const [header, first] = formatStudyPredictions(
      [prediction({ fold: 2, repeat: 1, labels: 0.25 })],
      namesOf,
    ).split('\n');
    expect(header).toMatch(/^fold,repeat,labels,task,arm,crops,study,level,side,truth,predicted,p_0,/);
    expect(first).toMatch(/^2,1,0\.25,test\/pfirrmann,scratch,predicted,7,L4\/L5,,2,2,0\.1,/);
  });

  it('reads back to the same predictions', async () => {
    const predictions = [
      prediction({}),
      prediction({ fold: 4, repeat: 2, labels: 0.1, arm: 'contrastive', crops: 'annotated' }),
      prediction({ task: HERNIATION.id, truth: 1, probabilities: [0.3, 0.7], side: 'left' }),
    ];
    expect(await readStudyPredictions(await stored(formatStudyPredictions(predictions, namesOf)))).toEqual(
      predictions,
    );
  });

  it.each([
    [{ fold: -1 }, /line 2: column fold: found '-1', expected a whole number from 0/],
    [{ repeat: 0.5 }, /line 2: column repeat: found '0.5', expected a whole number from 0/],
    [{ labels: 1.5 }, /line 2: column labels: found '1.5', expected a number above 0 and at most 1/],
  ])('refuses %j', async (values, message) => {
    const path = await stored(formatStudyPredictions([prediction(values)], namesOf));
    await expect(readStudyPredictions(path)).rejects.toThrow(message);
  });
});
