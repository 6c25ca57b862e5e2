/** Measures of embeddings on vectors whose distances are known. */
import { describe, expect, it } from 'vitest';
import { alignment, nearestNeighbours, retrieved, uniformity } from '#spinegrad/evaluation/embeddings.js';

const rows = (...vectors: number[][]) => ({
  values: Float32Array.from(vectors.flat()),
  length: vectors[0]!.length,
});

describe('alignment', () => {
  it('is 0 for equal views and 4 for opposite ones', () => {
    expect(alignment(rows([1, 0], [0, 1], [1, 0], [0, 1]))).toBe(0);
    expect(alignment(rows([1, 0], [0, 1], [-1, 0], [0, -1]))).toBe(4);
  });

  it('is the mean over the discs', () => {
    expect(alignment(rows([1, 0], [0, 1], [1, 0], [1, 0]))).toBeCloseTo((0 + 2) / 2, 12);
  });
});

describe('uniformity', () => {
  it('is 0 for one point and -8 for two opposite points', () => {
    expect(uniformity(rows([1, 0], [1, 0], [1, 0]))).toBe(0);
    expect(uniformity(rows([1, 0], [-1, 0]))).toBeCloseTo(-8, 12);
  });

  it('is the logarithm of the mean over all pairs', () => {
    const expected = Math.log((2 * Math.exp(-4) + Math.exp(-8)) / 3);
    expect(uniformity(rows([1, 0], [0, 1], [-1, 0]))).toBeCloseTo(expected, 12);
  });
});

it('retrieval counts the views whose nearest view shows the same disc', () => {
  expect(retrieved(rows([1, 0], [0, 1], [0.9, 0.1], [0.1, 0.9]))).toBe(4);
  // The views of the first disc are opposite; those of the second are nearer to each other than to these.
  expect(retrieved(rows([1, 0], [0, 1], [-1, 0], [0.1, 0.9]))).toBe(2);
});

describe('nearest neighbours', () => {
  const references = rows([10, 0], [9, 1], [0, 1], [0, 2], [0, 3]);
  const classes = [1, 1, 0, 0, 0];

  it('compares directions, not lengths', () => {
    expect(nearestNeighbours(references, classes, rows([0.1, 0], [0, 100]), 1)).toEqual([1, 0]);
  });

  it('votes among the k nearest', () => {
    expect(nearestNeighbours(references, classes, rows([1, 0]), 3)).toEqual([1]);
    expect(nearestNeighbours(references, classes, rows([1, 0]), 5)).toEqual([0]);
  });

  it('gives a tie to the class of the nearest reference', () => {
    expect(nearestNeighbours(references, classes, rows([1, 0.1], [0.1, 1]), 4)).toEqual([1, 0]);
  });
});
