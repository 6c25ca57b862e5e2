/** What a run leaves for other programs: predictions.csv, localization.csv, and who wrote them. */
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { readLocalization } from '#spinegrad/evaluation/localizationFile.js';
import { readPredictions } from '#spinegrad/evaluation/predictionsFile.js';
import { VERSION } from '#spinegrad/io/version.js';
import { evaluatePredictions } from '#spinegrad/training/evaluatePredictions.js';
import { changeModel } from '../model/file.js';
import { evaluated, readSummary, temporaryFolder, tinyStudies, trainHere } from './runs.js';

let dir: string;
let data: string;
beforeAll(async () => {
  data = await tinyStudies();
  dir = await temporaryFolder();
  await trainHere(dir, data);
});

const predictionsOf = (folder: string) => join(folder, 'predictions.csv');
const textOf = (folder: string, file: string) => readFileSync(join(folder, file), 'utf8');

/** Predictions of a run with other patients: the same text with another prefix of the studies. */
async function otherFold(): Promise<string> {
  const other = await temporaryFolder();
  cpSync(join(dir, 'model.json'), join(other, 'model.json'));
  for (const [file, column] of [
    ['predictions.csv', 3],
    ['localization.csv', 0],
  ] as const) {
    const [header, ...lines] = textOf(dir, file).trimEnd().split('\n');
    const renamed = lines.map((line) => line.split(',').map((cell, i) => (i === column ? `b${cell}` : cell)));
    writeFileSync(join(other, file), `${[header, ...renamed].join('\n')}\n`);
  }
  return other;
}

describe('predictions.csv of a run', () => {
  it('has one line per task, arm, kind of crop and graded test disc', async () => {
    const { tasks, arms } = readSummary(dir);
    const lines = await readPredictions(predictionsOf(dir));
    const discs = Object.values(tasks[0]!.classCounts.test).reduce((sum, n) => sum + n, 0);
    expect(lines).toHaveLength(tasks.length * arms.length * 2 * discs);
    for (const { centre, image } of lines) {
      expect(centre.every(Number.isFinite)).toBe(true);
      expect(image).not.toBe('');
    }
  });

  it('gives all results of summary.json to the last bit, also without the localization', async () => {
    const result = await evaluatePredictions([predictionsOf(dir)]);
    expect(JSON.parse(JSON.stringify(result))).toEqual(evaluated(readSummary(dir)));
    const copy = await temporaryFolder();
    cpSync(predictionsOf(dir), predictionsOf(copy));
    cpSync(join(dir, 'model.json'), join(copy, 'model.json'));
    expect(await evaluatePredictions([predictionsOf(copy)])).toEqual({ ...result, localization: null });
  });

  it('is pooled with those of other folds', async () => {
    const other = await otherFold();
    const one = await evaluatePredictions([predictionsOf(dir)]);
    const both = await evaluatePredictions([predictionsOf(dir), predictionsOf(other)]);
    const metrics = ({ tasks }: typeof one) => tasks[0]!.arms[0]!.predicted;
    expect(metrics(both).patients).toBe(2 * metrics(one).patients);
    expect(metrics(both).balancedAccuracy.value).toBeCloseTo(metrics(one).balancedAccuracy.value, 12);
    expect(both.localization!.n).toBe(2 * one.localization!.n);
    await expect(evaluatePredictions([predictionsOf(dir), predictionsOf(dir)])).rejects.toMatchObject({
      code: 'ERR_EVALUATION',
    });
  });

  it('of a run with other grades is not pooled', async () => {
    const other = await otherFold();
    changeModel(other, ({ trainedOn }) => {
      for (const grade of trainedOn.tasks[0].grades) grade.name = `other ${grade.name}`;
    });
    await expect(evaluatePredictions([predictionsOf(dir), predictionsOf(other)])).rejects.toMatchObject({
      code: 'ERR_TASK_MISMATCH',
      message: expect.stringContaining(predictionsOf(other)),
    });
  });
});

describe('localization.csv of a run', () => {
  it('has one line per annotated disc of the test slices', async () => {
    const { localization } = readSummary(dir);
    expect(await readLocalization(join(dir, 'localization.csv'))).toHaveLength(localization.n);
  });
});

describe('the program', () => {
  it('is named with its version, commit and date in summary.json, model.json and the report', () => {
    const { program } = readSummary(dir);
    expect(program).toMatchObject({
      version: VERSION,
      commit: expect.stringMatching(/^([0-9a-f]{40}|unknown)/),
    });
    expect(JSON.parse(textOf(dir, 'model.json')).program).toEqual(program);
    expect(textOf(dir, 'report.html').includes(`spinegrad ${VERSION}`)).toBe(true);
  });
});
