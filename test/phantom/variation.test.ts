/** Checks the variation of patients and scanners that docs/phantom.md states. */
import { describe, expect, it } from 'vitest';
import {
  SHARPENED_FRACTION,
  SMALL_FIELD_FRACTION,
  STRONG_SHADING_FRACTION,
} from '#spinegrad/phantom/acquisition.js';
import { readStudy } from '#spinegrad/phantom/reader.js';
import { DIXON_FRACTION, FIELD_STRENGTHS, STIR_FRACTION } from '#spinegrad/phantom/sequence.js';
import { drawStudy } from '#spinegrad/phantom/study.js';

const STUDIES = 600;
const studies = Array.from({ length: STUDIES }, (_, index) => drawStudy(31, index, 'rsna', 7));

function quantile(values: readonly number[], fraction: number): number {
  return values.toSorted((a, b) => a - b)[Math.floor(fraction * (values.length - 1))]!;
}

const median = (values: readonly number[]) => quantile(values, 0.5);

/** The 5th to the 95th percentile. */
function expectMostlyWithin(values: readonly number[], low: number, high: number): void {
  expect(quantile(values, 0.05)).toBeGreaterThan(low);
  expect(quantile(values, 0.95)).toBeLessThan(high);
}

function expectWithin(values: readonly number[], low: number, high: number): void {
  expect(Math.min(...values)).toBeGreaterThanOrEqual(low);
  expect(Math.max(...values)).toBeLessThanOrEqual(high);
}

/** The fraction of studies, within four standard errors. */
function expectFraction(matches: (study: (typeof studies)[number]) => boolean, target: number): void {
  const found = studies.filter(matches).length / STUDIES;
  expect(Math.abs(found - target)).toBeLessThan(4 * Math.sqrt((target * (1 - target)) / STUDIES));
}

describe('the acquisitions', () => {
  const acquisitions = studies.map((study) => study.acquisition);

  it('have the spacings of the RSNA series', () => {
    const spacing = acquisitions.map((a) => a.spacing);
    expectWithin(spacing, 0.28, 1.18);
    expect(Math.abs(median(spacing) - 0.58)).toBeLessThan(0.04);
    const between = acquisitions.map((a) => a.sliceSpacing);
    expectWithin(between, 3, 6.6);
    expect(Math.abs(median(between) - 4.48)).toBeLessThan(0.2);
    for (const a of acquisitions) expect(a.sliceSpacing).toBeGreaterThanOrEqual(a.sliceThickness);
  });

  it('have TR, TE, matrix and field of view within their ranges', () => {
    expectWithin(
      acquisitions.map((a) => a.repetitionTime),
      2400,
      8000,
    );
    for (const stir of [false, true]) {
      const echoes = acquisitions.filter((a) => (a.suppression === 'stir') === stir).map((a) => a.echoTime);
      expectWithin(echoes, stir ? 45 : 75, stir ? 85 : 130);
    }
    expectWithin(
      acquisitions.map((a) => a.rows),
      256,
      1024,
    );
    expectWithin(
      acquisitions.map((a) => a.rows * a.spacing),
      195,
      315,
    );
    expectFraction(({ acquisition: { rows, spacing } }) => rows * spacing < 252, SMALL_FIELD_FRACTION);
  });

  it('suppress fat in 14 % by STIR and in 8 % by Dixon, and have three field strengths', () => {
    expectFraction(({ acquisition }) => acquisition.suppression === 'stir', STIR_FRACTION);
    expectFraction(({ acquisition }) => acquisition.suppression === 'dixon', DIXON_FRACTION);
    for (const [tesla, fraction] of FIELD_STRENGTHS) {
      expectFraction(({ acquisition }) => acquisition.fieldStrength === tesla, fraction);
    }
  });

  it('have more noise at low field, strong shading in 20 %, and edge enhancement in 30 %', () => {
    const noise = (tesla: number) =>
      median(
        acquisitions.filter((a) => a.fieldStrength === tesla && a.suppression === 'none').map((a) => a.noise),
      );
    expect(noise(0.3)).toBeGreaterThan(1.7 * noise(1.5));
    expect(noise(3)).toBeLessThan(0.85 * noise(1.5));
    expectFraction(({ acquisition }) => acquisition.coilReach < 95, STRONG_SHADING_FRACTION);
    expectFraction(({ acquisition }) => acquisition.sharpening > 0, SHARPENED_FRACTION);
  });

  it('show anterior on the right in 15 % and number slices from the left in 30 %', () => {
    expectFraction((study) => study.acquisition.mirrored, 0.15);
    expectFraction(({ acquisition: { slicePositions } }) => slicePositions[0]! > slicePositions[1]!, 0.3);
  });
});

describe('the anatomy', () => {
  const graded = studies.map((study) => ({ ...study, readings: readStudy(study) }));

  it('has levels about 30 mm apart', () => {
    const pitches = studies.flatMap(({ spine: { levelPosition } }) =>
      levelPosition.slice(1).map((s, i) => s - levelPosition[i]!),
    );
    expect(Math.abs(median(pitches) - 30)).toBeLessThan(1);
    expectMostlyWithin(pitches, 24, 36);
  });

  it('has a sac of 10 to 15 mm between the discs, and of less than 10 mm at a severe level', () => {
    const between: number[] = [];
    const severe: number[] = [];
    for (const { spine, canal, readings } of graded) {
      const { levelPosition } = spine;
      for (const [level, { grade, sacDepth }] of readings.entries()) {
        if (grade === 2) severe.push(sacDepth);
        if (level === 0) continue;
        const [anterior, posterior] = canal.sac((levelPosition[level - 1]! + levelPosition[level]!) / 2);
        between.push(posterior - anterior);
      }
    }
    expectMostlyWithin(between, 10, 16);
    expect(Math.max(...severe)).toBeLessThan(10);
  });

  it('has its points at the discs, with an annotation error of about 1 mm', () => {
    const errors = graded.flatMap(({ spine: { wall, levelPosition }, readings }) => {
      return readings.map(({ point }, level) => {
        wall.locate(point[0], point[1], levelPosition[level]!);
        return wall.s - levelPosition[level]!;
      });
    });
    const deviation = Math.sqrt(errors.reduce((sum, error) => sum + error * error, 0) / errors.length);
    expect(deviation).toBeGreaterThan(0.6);
    expect(deviation).toBeLessThan(1.4);
  });
});
