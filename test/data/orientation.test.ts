/** The orientation of a slice from its annotated discs: synthetic spines and the SPIDER slices. */
import { execFileSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { LEVELS, type Level, type Point } from '#spinegrad/anatomy.js';
import { readDataset } from '#spinegrad/data/dataset.js';
import { checkOrientation, isUpsideDown, posteriorTurn } from '#spinegrad/data/orientation.js';
import type { Geometry } from '#spinegrad/dicom/types.js';
import { root } from '../cli/command.js';

interface Disc {
  level: Level;
  side: 'left' | 'right' | null;
  centre: Point;
}

/** Lumbar discs on a line that turns by `turn` degrees to the right below L4/L5. */
const spine = (turn: number): Disc[] =>
  LEVELS.map((level, i): Disc => {
    const angle = (turn * Math.PI) / 180;
    const last: Point = [80 + 20 * Math.sin(angle), 110 + 20 * Math.cos(angle)];
    return { level, side: null, centre: i < 4 ? [80, 50 + 20 * i] : last };
  });
const map = (discs: readonly Disc[], change: (point: Point) => Point) =>
  discs.map((disc) => ({ ...disc, centre: change(disc.centre) }));
const mirrored = (discs: readonly Disc[]) => map(discs, ([x, y]) => [160 - x, y]);
const upsideDown = (discs: readonly Disc[]) => map(discs, ([x, y]) => [x, 160 - y]);

const sagittal = (y: 1 | -1, z: 1 | -1): Geometry => ({
  rowDirection: [0, y, 0],
  columnDirection: [0, 0, z],
  position: [0, 0, 0],
});
const turnOf = (discs: readonly Disc[], geometry: Geometry | null = null) =>
  posteriorTurn(discs, geometry, [1, 1]);

describe('the turn below L4/L5', () => {
  test('is positive towards posterior in every orientation', () => {
    for (const turn of [12, -12]) {
      expect(turnOf(spine(turn))).toBeCloseTo(turn, 9);
      expect(turnOf(mirrored(spine(turn)))).toBeCloseTo(-turn, 9);
      expect(turnOf(upsideDown(spine(turn)))).toBeCloseTo(turn, 9);
      expect(turnOf(spine(turn), sagittal(1, -1))).toBeCloseTo(turn, 9);
      expect(turnOf(mirrored(spine(turn)), sagittal(-1, -1))).toBeCloseTo(turn, 9);
      expect(turnOf(upsideDown(spine(turn)), sagittal(1, 1))).toBeCloseTo(turn, 9);
      const transposed: Geometry = {
        ...sagittal(1, 1),
        rowDirection: [0, 0, -1],
        columnDirection: [0, 1, 0],
      };
      expect(
        turnOf(
          map(spine(turn), ([x, y]) => [y, x]),
          transposed,
        ),
      ).toBeCloseTo(turn, 9);
    }
  });

  test('does not depend on how the patient leans in the image', () => {
    const [c, s] = [Math.cos(0.3), Math.sin(0.3)];
    expect(turnOf(map(spine(8), ([x, y]) => [c * x + s * y, c * y - s * x]))).toBeCloseTo(8, 9);
  });

  test('is measured in mm', () => {
    const narrow = map(spine(8), ([x, y]) => [x / 2, y]);
    expect(posteriorTurn(narrow, null, [1, 2])).toBeCloseTo(8, 9);
  });

  test('is unknown without L5/S1, L4/L5, or both of L1/L2 and L2/L3', () => {
    const without = (...levels: Level[]) => turnOf(spine(8).filter(({ level }) => !levels.includes(level)));
    expect(without('L1/L2', 'L3/L4')).toBeCloseTo(8, 9);
    expect([without('L5/S1'), without('L4/L5'), without('L1/L2', 'L2/L3')]).toEqual([null, null, null]);
    const sides = spine(8).map(
      (disc): Disc => ({ ...disc, side: disc.level === 'L5/S1' ? 'left' : 'right' }),
    );
    expect(turnOf(sides)).toBeNull();
  });
});

test.each<[string, Disc[], Geometry | null, string[], string[]]>([
  ['anterior on the left', spine(3.1), null, [], []],
  ['anterior on the right', spine(-3.1), null, ['anterior'], ['ERR_MIRRORED']],
  ['too straight a spine', spine(-2.9), null, [], ['ERR_ANTERIOR_ASSUMED']],
  [
    'anterior on the right and superior at the bottom',
    upsideDown(spine(-9)),
    null,
    ['superior', 'anterior'],
    ['ERR_UPSIDE_DOWN', 'ERR_MIRRORED'],
  ],
  ['a header that agrees', mirrored(spine(9)), sagittal(-1, -1), [], []],
  ['a header that contradicts', mirrored(spine(9)), sagittal(1, -1), [], ['ERR_ANTERIOR_DOUBTFUL']],
  ['a header and too straight a spine', spine(0), sagittal(1, -1), [], []],
])('%s', (_, discs, geometry, reflected, codes) => {
  const checked = checkOrientation(discs, geometry, [1, 1]);
  expect(checked.reflected).toEqual(reflected);
  expect(checked.notices.map(({ code }) => code)).toEqual(codes);
});

test('isUpsideDown compares levels in the direction of the geometry', () => {
  const [upright, flipped] = [spine(5), upsideDown(spine(5))];
  expect([upright, flipped].map((discs) => isUpsideDown(discs, null))).toEqual([false, true]);
  expect([upright, flipped].map((discs) => isUpsideDown(discs, sagittal(1, -1)))).toEqual([false, true]);
  expect([upright, flipped].map((discs) => isUpsideDown(discs, sagittal(1, 1)))).toEqual([true, false]);
  expect(isUpsideDown(upright.slice(0, 1), null)).toBe(false);
});

const { SPINEGRAD_TEST_DATA: data } = process.env;

describe.skipIf(!data)('the SPIDER slices of SPINEGRAD_TEST_DATA, which have anterior on the left', () => {
  test('and their mirror images are recognised', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'spinegrad-orientation-'));
    execFileSync(process.execPath, [join(root, 'scripts/spider-table.js'), join(data!, 'spider'), folder]);
    const { studies } = await readDataset(folder, { tasks: ['spider/pfirrmann'] });
    await rm(folder, { recursive: true });
    const slices = studies.flatMap(({ series }) => series);
    expect(slices).toHaveLength(111);
    for (const { images, annotation, pixelSpacing } of slices) {
      const discs = annotation.kind === 'discs' ? annotation.discs : [];
      const anterior = (marked: readonly Disc[]) =>
        checkOrientation(marked, null, pixelSpacing!).notices.filter(
          ({ code }) => code !== 'ERR_UPSIDE_DOWN',
        );
      expect(anterior(discs), images).toEqual([]);
      expect(anterior(mirrored(discs)), images).toMatchObject([{ code: 'ERR_MIRRORED' }]);
    }
  });
});
