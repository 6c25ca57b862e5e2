import { describe, expect, it } from 'vitest';
import { type Centres, localizationErrors } from '#spinegrad/evaluation/localization.js';

const none: Centres = { 'L1/L2': null, 'L2/L3': null, 'L3/L4': null, 'L4/L5': null, 'L5/S1': null };

describe('localization errors', () => {
  it('are Euclidean distances, per level and overall, in px and in mm by the spacing of each slice', () => {
    const truth: Centres[] = [
      { ...none, 'L1/L2': [10, 10], 'L2/L3': [20, 20] },
      { ...none, 'L1/L2': [0, 0] },
    ];
    const predicted: Centres[] = [
      { ...none, 'L1/L2': [13, 14], 'L2/L3': [20, 20], 'L3/L4': [1, 1] },
      { ...none, 'L1/L2': [12, 0] },
    ];
    const found = localizationErrors(predicted, truth, [
      [2, 1],
      [1, 0.5],
    ]);
    expect(found.n).toBe(3);
    expect(found.rmsePx).toBeCloseTo(Math.sqrt((25 + 0 + 144) / 3), 12);
    expect(found.rmseMm).toBeCloseTo(Math.sqrt((9 + 64 + 0 + 36) / 3), 12);
    expect(found.within5Mm).toBeCloseTo(1 / 3, 12);
    expect(found.within10Mm).toBe(1);
    expect(found.medianMm).toBeCloseTo(6, 12);
    expect(found.found).toBe(3);
    expect(found.perLevel['L1/L2']).toMatchObject({ n: 2, rmsePx: Math.sqrt(169 / 2), within5Mm: 0 });
    expect(found.perLevel['L3/L4']).toEqual({
      n: 0,
      rmsePx: null,
      rmseMm: null,
      medianMm: null,
      found: 0,
      within5Mm: null,
      within10Mm: null,
    });
  });

  it('count a disc that was not found', () => {
    const truth: Centres[] = [{ ...none, 'L1/L2': [0, 0], 'L2/L3': [0, 30], 'L3/L4': [0, 60] }];
    const predicted: Centres[] = [{ 'L1/L2': [0, 1], 'L2/L3': [0, 33] }];
    const found = localizationErrors(predicted, truth, [[1, 1]]);
    expect(found).toMatchObject({ n: 3, found: 2, rmseMm: Math.sqrt(5), medianMm: 3, within10Mm: 2 / 3 });
    expect(found.perLevel['L3/L4']).toMatchObject({ n: 1, found: 0, medianMm: null, within5Mm: 0 });
  });

  it('are null without discs; unequal lengths are refused', () => {
    expect(localizationErrors([none], [none], [[1, 1]])).toMatchObject({ n: 0, rmsePx: null, rmseMm: null });
    expect(() => localizationErrors([none], [], [])).toThrow(/1 predicted, 0 truth/);
  });
});
