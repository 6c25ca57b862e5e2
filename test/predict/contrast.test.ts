import { expect, it } from 'vitest';
import { fluidIndex } from '#spinegrad/predict/contrast.js';

const SIZE = 96;
const MM_PER_PIXEL = 2.5;

/** Vertebrae around column 40 and a canal posterior of them. */
const spine = (body: number, canal: number) =>
  Uint16Array.from({ length: SIZE * SIZE }, (_, i) => {
    const mm = ((i % SIZE) - 40) * MM_PER_PIXEL;
    if (Math.abs(mm) < 15) return body;
    return mm > 17 && mm < 30 ? canal : 8000;
  });

const DISCS = [20, 34, 48, 62].map((y) => [40, y] as const);

it('is positive if the canal is brighter than the vertebrae, and negative if it is darker', () => {
  expect(fluidIndex(spine(10000, 40000), SIZE, DISCS, MM_PER_PIXEL)).toBeGreaterThan(1);
  expect(fluidIndex(spine(30000, 9000), SIZE, DISCS, MM_PER_PIXEL)).toBeLessThan(-1);
});

it('does not depend on the order of the discs or the brightness of the slice', () => {
  const [slice, brighter] = [spine(10000, 20000), spine(20000, 40000)];
  const index = fluidIndex(slice, SIZE, DISCS, MM_PER_PIXEL);
  expect(fluidIndex(slice, SIZE, [...DISCS].reverse(), MM_PER_PIXEL)).toBeCloseTo(index, 9);
  expect(fluidIndex(brighter, SIZE, DISCS, MM_PER_PIXEL)).toBeCloseTo(index, 1);
});

it('is finite on a black slice', () => {
  expect(fluidIndex(new Uint16Array(SIZE * SIZE), SIZE, DISCS, MM_PER_PIXEL)).toBe(0);
});
