/** Heatmaps, weights and coordinates of annotated discs, as drawTargets() and coordinateTargets() state them. */
import { describe, expect, it } from 'vitest';
import { type Affine, DISC_LEVELS, LEVELS, type Level, type Point } from '#spinegrad/anatomy.js';
import {
  type AnnotatedSlice,
  coordinateTargets,
  drawTargets,
  landmarksOf,
  type TargetOptions,
} from '#spinegrad/training/discTargets.js';

const SIZE = 64;
const IDENTITY: Affine = [1, 0, 0, 0, 1, 0];
const OPTIONS: TargetOptions = { size: SIZE, sigma: 1.5, centreWeight: 10, sacralWeight: 1 };

/** A straight spine with a disc every 8 pixels; L5/S1 is at (30, 56). */
function slice(levels: readonly Level[], complete = true): AnnotatedSlice {
  const discs = levels.map((level) => {
    const centre: Point = [30, 56 - 8 * (DISC_LEVELS.length - 1 - DISC_LEVELS.indexOf(level))];
    return { level, centre, box: null };
  });
  return { discs, complete, toImage: IDENTITY, pixelSpacing: [4.5, 4.5] };
}

function draw(annotated: AnnotatedSlice, toMap = IDENTITY, options = OPTIONS) {
  const maps = { targets: new Float32Array(3 * SIZE * SIZE), weights: new Float32Array(3 * SIZE * SIZE) };
  drawTargets(landmarksOf(annotated, 36), toMap, options, maps);
  const at = (values: Float32Array, map: number, [x, y]: Point) => values[(map * SIZE + y) * SIZE + x]!;
  return {
    ...maps,
    target: (map: number, point: Point) => at(maps.targets, map, point),
    weight: (map: number, point: Point) => at(maps.weights, map, point),
  };
}

describe('drawTargets', () => {
  it('draws a Gaussian at every disc, at L5/S1, and half a pitch in front of every disc', () => {
    const { target } = draw(slice(LEVELS));
    for (const y of [24, 32, 40, 48, 56]) {
      expect(target(0, [30, y])).toBe(1);
      expect(target(0, [31, y])).toBeCloseTo(Math.exp(-0.5 / 1.5 ** 2), 6);
      expect(target(1, [30, y])).toBeCloseTo(y === 56 ? 1 : 0, 6);
      expect(target(2, [26, y])).toBe(1);
    }
    // Between discs the larger of two Gaussians, and nothing far away.
    expect(target(0, [30, 28])).toBeCloseTo(Math.exp(-8 / 1.5 ** 2), 6);
    expect(target(0, [5, 5])).toBe(0);
  });

  it('gives the centres of discs a larger weight', () => {
    const { weight, target } = draw(slice(LEVELS));
    expect(weight(0, [30, 56])).toBe(10);
    expect(weight(0, [5, 5])).toBe(1);
    expect(weight(0, [31, 56])).toBeCloseTo(1 + 9 * target(0, [31, 56]), 5);
    expect(weight(1, [30, 48])).toBeCloseTo(1, 5);
  });

  it('multiplies the weights of the sacral map', () => {
    const { weight } = draw(slice(LEVELS), IDENTITY, { ...OPTIONS, sacralWeight: 3 });
    expect(weight(1, [30, 56])).toBe(30);
    expect(weight(1, [5, 5])).toBe(3);
    expect(weight(0, [30, 56])).toBe(10);
  });

  it('moves with the view: mirrored, the anterior points lie on the right', () => {
    const { target } = draw(slice(LEVELS), [-1, 0, 63, 0, 1, 0]);
    expect(target(0, [33, 40])).toBe(1);
    expect(target(2, [37, 40])).toBe(1);
    expect(target(2, [29, 40])).toBeLessThan(0.1);
  });

  it('puts the anterior point of a tilted disc along the normal of the spine', () => {
    const tilted = slice(['L4/L5', 'L5/S1']);
    tilted.discs[0]!.centre = [20, 40];
    tilted.discs[1]!.centre = [26, 48]; // caudal direction (0.6, 0.8), pitch 10
    const { target } = draw(tilted);
    expect(target(2, [16, 43])).toBe(1);
    expect(target(2, [22, 51])).toBe(1);
  });

  it('ignores nothing on a complete slice', () => {
    const { weights } = draw(slice(['L3/L4', 'L4/L5', 'L5/S1']));
    expect(Math.min(...weights)).toBe(1);
  });

  it('ignores the spine above the topmost disc of an incomplete slice, but not below L5/S1', () => {
    const { weight } = draw(slice(['L3/L4', 'L4/L5', 'L5/S1'], false));
    // L3/L4 is at 40, half a pitch above it is 36.
    for (const map of [0, 1, 2]) {
      expect(weight(map, [30, 35])).toBe(0);
      expect(weight(map, [60, 0])).toBe(0);
      expect(weight(map, [5, 37])).toBe(1);
      expect(weight(map, [5, 63])).toBe(1);
    }
  });

  it('ignores the spine below the lowest disc of an incomplete slice without L5/S1', () => {
    const { weight } = draw(slice(['L2/L3', 'L3/L4'], false));
    expect(weight(1, [30, 46])).toBe(0);
    expect(weight(1, [30, 43])).toBeGreaterThan(0);
  });

  it('ignores the gap of a missing level of an incomplete slice', () => {
    const { weight } = draw(slice(['L3/L4', 'L5/S1'], false));
    expect(weight(0, [30, 48])).toBe(0);
    expect(weight(0, [34, 48])).toBe(0);
    expect(weight(0, [36, 48])).toBeGreaterThan(0);
    expect(weight(0, [30, 56])).toBe(10);
  });

  it('draws a single disc, with a pitch of 36 mm', () => {
    const { target, weight } = draw(slice(['L5/S1'], false));
    expect(target(2, [26, 56])).toBe(1);
    expect(weight(0, [30, 51])).toBe(0);
    expect(weight(0, [30, 53])).toBeGreaterThan(0);
  });

  it('draws discs outside the view as far as they reach into it', () => {
    const { target, targets } = draw(slice(LEVELS), [1, 0, 0, 0, 1, 8]);
    // L5/S1 is at row 64, one below the last one.
    expect(target(1, [30, 63])).toBeCloseTo(Math.exp(-0.5 / 1.5 ** 2), 6);
    expect(Math.max(...targets)).toBe(1);
  });
});

describe('coordinateTargets', () => {
  it('gives the points of the levels in the view, with weight 0 for missing ones and ones outside', () => {
    const { points, weights } = coordinateTargets(
      slice(['L4/L5', 'L5/S1']),
      LEVELS,
      [1, 0, 2, 0, 1, 10],
      SIZE,
    );
    expect(points).toEqual([0, 0, 0, 0, 0, 0, 32, 58, 0, 0]);
    expect(weights).toEqual([0, 0, 0, 0, 0, 0, 1, 1, 0, 0]);
  });
});
