import { describe, expect, test } from 'vitest';
import { canalSlice, neighbours, type SlicePosition, sortSeries } from '#spinegrad/data/series.js';

/** A sagittal slice at x mm to the patient's left. */
const at = (x: number, instanceNumber: number): SlicePosition => ({
  instanceNumber,
  geometry: { rowDirection: [0, 1, 0], columnDirection: [0, 0, -1], position: [x, 0, 0] },
});
const axial: SlicePosition = {
  instanceNumber: 99,
  geometry: { rowDirection: [1, 0, 0], columnDirection: [0, 1, 0], position: [0, 0, 0] },
};
const instances = (slices: readonly SlicePosition[]) => slices.map((slice) => slice.instanceNumber);

describe('slices', () => {
  test('are sorted by position, not by instance number', () => {
    expect(instances(sortSeries([at(8, 1), at(-4, 2), at(4, 3), at(0, 4)]))).toEqual([2, 4, 3, 1]);
  });

  test('are sorted by instance number without geometry', () => {
    const slices = [3, 1, 2].map((instanceNumber) => ({ instanceNumber, geometry: null }));
    expect(instances(sortSeries(slices))).toEqual([1, 2, 3]);
    expect(neighbours(slices, slices[0]!, 1).map(({ offset }) => offset)).toEqual([-1, 0]);
  });

  test('have the nearest other positions of parallel slices as neighbours', () => {
    const centre = at(0, 5);
    const slices = [at(4, 1), at(0.01, 2), centre, axial, at(-4, 7), at(4, 8), at(-8, 9), at(8, 3)];
    const found = neighbours(slices, centre, 1);
    expect(found.map(({ slice, offset }) => [slice.instanceNumber, offset])).toEqual([
      [7, -1],
      [5, 0],
      [1, 1],
    ]);
    expect(neighbours(slices, centre, 0)).toEqual([{ slice: centre, offset: 0 }]);
    expect(neighbours(slices, centre, 9).map(({ offset }) => offset)).toEqual([-2, -1, 0, 1, 2]);
  });

  test('have the middle one as canal slice; an empty series throws', () => {
    expect(canalSlice(Array.from({ length: 17 }, (_, i) => i + 1))).toBe(9);
    expect(() => canalSlice([])).toThrow(expect.objectContaining({ code: 'ERR_SERIES_EMPTY' }));
  });
});
