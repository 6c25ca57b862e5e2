import { describe, expect, it } from 'vitest';
import type { SlicePosition } from '#spinegrad/data/series.js';
import { votersOf } from '#spinegrad/predict/stackVote.js';

/** A sagittal stack. */
const stack = (count: number, mm: number): SlicePosition[] =>
  Array.from({ length: count }, (_, index) => ({
    instanceNumber: index + 1,
    geometry: {
      ...{ rowDirection: [0, 1, 0], columnDirection: [0, 0, -1] },
      position: [index * mm, 0, 0],
    },
  }));

const numbers = (slices: readonly SlicePosition[], graded: number) =>
  votersOf(slices, slices[graded - 1]!).map(({ instanceNumber }) => instanceNumber);

describe('votersOf', () => {
  it('takes two slices on each side, from near to far', () => {
    expect(numbers(stack(15, 4.4), 8)).toEqual([7, 6, 9, 10]);
  });

  it('takes no slice at more than 10 mm', () => {
    expect(numbers(stack(15, 6), 8)).toEqual([7, 9]);
    expect(numbers(stack(15, 11), 8)).toEqual([]);
  });

  it('passes over slices that are close to each other', () => {
    expect(numbers(stack(100, 0.9), 50)).toEqual([46, 42, 54, 58]);
  });

  it('takes fewer at the border of the stack, and none of a single slice', () => {
    expect(numbers(stack(15, 4), 1)).toEqual([2, 3]);
    expect(numbers(stack(15, 4), 14)).toEqual([13, 12, 15]);
    expect(numbers(stack(1, 4), 1)).toEqual([]);
  });

  it('takes each position once', () => {
    const echoes = stack(5, 4).flatMap((slice) => [slice, { ...slice, instanceNumber: 9 }]);
    expect(votersOf(echoes, echoes[4]!)).toHaveLength(4);
  });

  it('takes the next slices if the files do not state where they are', () => {
    const unplaced = stack(9, 4).map(({ instanceNumber }) => ({ instanceNumber, geometry: null }));
    expect(numbers(unplaced, 5)).toEqual([4, 3, 6, 7]);
  });
});
