/** Calibration in a study: that of each cell, and the one pooled over the folds of a repeat. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { conformalMinimums, conformalSet } from '#spinegrad/evaluation/conformal.js';
import { fitTemperature, scaleTemperature } from '#spinegrad/evaluation/temperatureScaling.js';
import { measureTrust } from '#spinegrad/evaluation/trust.js';
import { measureArmTrust } from '#spinegrad/study/armTrust.js';
import {
  formatStudyCalibration,
  readStudyCalibration,
  type StudyCalibration,
} from '#spinegrad/study/calibrationFile.js';
import { recalibrate } from '#spinegrad/study/pooledCalibration.js';
import type { StudyPrediction } from '#spinegrad/study/predictionsFile.js';
import { poolFolds } from '#spinegrad/study/samples.js';
import { summariseStudy } from '#spinegrad/study/summarise.js';
import { PFIRRMANN } from '../tasks/examples.js';
import { temporaryFolder } from '../training/runs.js';
import { calibrateSimulation, type Simulation, simulateStudy } from './simulate.js';

const GRADES = PFIRRMANN.grades.length;

/** One arm at one label fraction, on predicted crops. */
function simulate(simulation: Simulation = {}) {
  const { facts, lines: raw } = simulateStudy({
    ...{ labels: [1], arms: { scratch: 1.6 }, crops: ['predicted'] },
    ...simulation,
  });
  return { facts, raw, planned: facts.cells, ...calibrateSimulation(raw, facts) };
}

const order = ({ repeat, study, level }: StudyPrediction) => `${repeat} ${study} ${level}`;
const sorted = (lines: readonly StudyPrediction[]) =>
  [...lines].sort((a, b) => (order(a) < order(b) ? -1 : 1));

describe('the pooled calibration', () => {
  const { raw, lines, calibration } = simulate();
  const pooled = recalibrate(lines, calibration, PFIRRMANN)!;

  it('of a fold is fitted on the validation discs of the other patients of the repeat', () => {
    expect(pooled.lines).toHaveLength(lines.length);
    const first = pooled.lines[0]!;
    const tested = new Set(
      lines
        .filter((line) => line.fold === first.fold && line.repeat === first.repeat)
        .map((line) => line.study),
    );
    const pool = calibration.filter((line) => line.repeat === first.repeat && !tested.has(line.study));
    // All patients but those of the fold, each once.
    expect(new Set(pool.map(({ study }) => study)).size).toBe(30);
    expect(pool).toHaveLength(30 * 5);
    expect(pooled.discs).toBe(30 * 5);
    const rows = pool.map(({ probabilities }) => probabilities);
    const truth = pool.map((line) => line.truth);
    const temperature = fitTemperature(rows, truth);
    const minimums = conformalMinimums(
      rows.map((row) => scaleTemperature(row, temperature)),
      truth,
      GRADES,
      0.9,
    );
    const own = pooled.lines.filter(({ fold, repeat }) => fold === first.fold && repeat === first.repeat);
    for (const line of own) {
      expect(line.trust!.temperature).toBe(temperature);
      expect(line.trust!.set).toEqual(conformalSet(line.probabilities, minimums));
      const network = raw.find((other) => order(other) === order(line))!.probabilities;
      scaleTemperature(network, temperature).forEach((p, grade) => {
        expect(line.probabilities[grade]).toBeCloseTo(p, 10);
      });
    }
  });

  it('does not see the cell that validates on the test patients of the fold', () => {
    const spoil = (fold: number) =>
      calibration.map(
        (line): StudyCalibration =>
          line.fold === fold
            ? { ...line, probabilities: PFIRRMANN.grades.map((_, grade) => (grade === 0 ? 0.96 : 0.01)) }
            : line,
      );
    const ofFold = (all: { lines: StudyPrediction[] } | null) =>
      sorted(all!.lines.filter(({ fold }) => fold === 2));
    // The cell of fold 1 validates on the patients of fold 2.
    expect(ofFold(recalibrate(lines, spoil(1), PFIRRMANN))).toEqual(ofFold(pooled));
    expect(ofFold(recalibrate(lines, spoil(2), PFIRRMANN))).not.toEqual(ofFold(pooled));
  });

  it('is null without the validation discs of a repeat', () => {
    expect(recalibrate(lines, [], PFIRRMANN)).toBeNull();
    const some = calibration.filter(({ repeat }) => repeat === 0);
    expect(recalibrate(lines, some, PFIRRMANN)).toBeNull();
  });

  it('covers each grade more evenly than the calibration on one validation fold', () => {
    const gaps = { split: 0, pooled: 0 };
    for (let seed = 1; seed <= 20; seed++) {
      const { lines, calibration, planned } = simulate({ seed, patients: 40, folds: 4, repeats: 1 });
      const trust = measureArmTrust({ lines, calibration, planned }, PFIRRMANN)!;
      for (const method of ['split', 'pooled'] as const) {
        for (const { rate } of Object.values(trust[method]!.coveragePerGrade))
          gaps[method] += Math.abs(rate! - 0.9) / (20 * GRADES);
      }
      expect(trust.pooled!.meanSize).toBeLessThan(trust.split.meanSize);
    }
    expect(gaps.pooled).toBeLessThan(0.8 * gaps.split);
    expect(gaps.pooled).toBeLessThan(0.05);
  });
});

describe('the calibration of an arm', () => {
  const { facts, lines, calibration, planned } = simulate({ repeats: 3 });
  const trust = measureArmTrust({ lines, calibration, planned }, PFIRRMANN)!;

  it('has the means over the repeats of the results of a run', () => {
    const repeats = poolFolds(lines, planned).predictions.map((own) => measureTrust(own, PFIRRMANN)!);
    const mean = (values: number[]) => values.reduce((a, b) => a + b) / values.length;
    expect(repeats).toHaveLength(3);
    expect(trust.nominal).toBe(0.9);
    expect(trust.before.ece).toBeCloseTo(mean(repeats.map((own) => own.calibration.before.ece)), 12);
    expect(trust.split.after.logLoss).toBeCloseTo(
      mean(repeats.map((own) => own.calibration.after.logLoss)),
      12,
    );
    const { k, n, rate, low, high } = trust.split.coverage;
    expect(k).toBeCloseTo(mean(repeats.map((own) => own.sets.coverage.k)), 12);
    expect([n, rate]).toEqual([200, k / n]);
    expect(low!).toBeLessThan(rate!);
    expect(high!).toBeGreaterThan(rate!);
    const perGrade = Object.values(trust.split.coveragePerGrade);
    expect(perGrade.reduce((sum, grade) => sum + grade.n, 0)).toBe(200);
    expect(trust.split.single.rate! + trust.split.full.rate!).toBeLessThanOrEqual(1);
    const { low: coldest, mean: middle, high: hottest } = trust.split.temperature;
    expect(coldest).toBeLessThan(middle);
    expect(hottest).toBeGreaterThan(middle);
    expect(trust.pooled!.temperature.high - trust.pooled!.temperature.low).toBeLessThan(hottest - coldest);
  });

  it('is null without calibrated predictions, and has no pooled part without validation discs', () => {
    const bare = lines.map(({ trust: _, ...line }): StudyPrediction => line);
    expect(measureArmTrust({ lines: bare, calibration, planned }, PFIRRMANN)).toBeNull();
    const { pooled, ...split } = measureArmTrust({ lines, calibration: [], planned }, PFIRRMANN)!;
    expect(pooled).toBeNull();
    expect(split).toEqual({ nominal: trust.nominal, before: trust.before, split: trust.split });
  });

  it('is in the summary for predicted crops, for each arm and label fraction', () => {
    const { facts: all, lines: raw } = simulateStudy({ arms: { scratch: 0.8, contrastive: 1.6 } });
    const own = calibrateSimulation(raw, all);
    const { tasks } = summariseStudy(own.lines, { ...all, calibration: own.calibration });
    for (const { crops, arms } of tasks[0]!.blocks)
      for (const arm of arms) {
        if (crops === 'annotated') expect(arm.trust).toBeNull();
        else expect(arm.trust!.pooled!.coverage.n).toBe(200);
      }
    expect(facts.tasks).toEqual([PFIRRMANN]);
  });
});

describe('calibration.csv of a study', () => {
  it('reads back to the same lines', async () => {
    const { calibration } = simulate({ patients: 8, repeats: 1 });
    const path = join(await temporaryFolder(), 'calibration.csv');
    writeFileSync(path, formatStudyCalibration(calibration));
    expect(await readStudyCalibration(path)).toEqual(calibration);
  });
});
