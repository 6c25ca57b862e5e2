import { expect, test } from 'vitest';
import { median } from '#spinegrad/median.js';

test.each<[number[], number | null]>([
  [[], null],
  [[10, 9, 1], 9],
  [[10, 2, 1, 4], 3],
  [[1, Infinity], Infinity],
])('the median of %j is %j', (values, expected) => {
  expect(median(values)).toBe(expected);
});
