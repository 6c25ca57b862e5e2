import { expect, it } from 'vitest';
import { LEVELS } from '#spinegrad/anatomy.js';
import { doubtsOf } from '#spinegrad/predict/checks.js';
import type { Oriented } from '#spinegrad/predict/orientation.js';

const SIZE = 96;
const COLUMN = 30;
/** Distances in pixels of neighbouring discs, and of the canal from the discs. */
const [PITCH, CANAL] = [15, 10];

const pixels = Uint16Array.from({ length: SIZE * SIZE }, (_, i) =>
  i % SIZE >= COLUMN + CANAL ? 40000 : 10000,
);

const doubts = (pitchMm: number, weighting: 'T1' | 'T2') => {
  const discs = LEVELS.map((level, index) => ({ level, point: [COLUMN, 15 + index * PITCH] }));
  const located = { discs, pitchPx: PITCH, pitchMm, anteriorLeft: 99, doubts: [] };
  const crop = { pixels, toImage: [1, 0, 0, 0, 1, 0] };
  return doubtsOf({ crop, located, certainty: 9 } as unknown as Oriented, weighting, SIZE, 'table');
};

it('measures the weighting at distances in mm by the pitch of the localizer', () => {
  // The canal begins 20 mm behind the discs.
  expect(doubts(30, 'T2')).toEqual([]);
  expect(doubts(30, 'T1')).toEqual(['weighting']);
  // With twice the pitch it begins at 40 mm, where it is not expected.
  expect(doubts(60, 'T2')).toEqual(['weighting']);
});
