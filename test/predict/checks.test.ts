import { expect, it } from 'vitest';
import { LEVELS } from '#spinegrad/anatomy.js';
import type { SourceSlice } from '#spinegrad/data/series.js';
import type { Located } from '#spinegrad/model/located.js';
import { checkApart, checkSize, doubtsOf } from '#spinegrad/predict/checks.js';
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

it.each([
  [1, 1, null],
  [31, 31, null],
  [4000, 2, null],
  [2, 4000, null],
  [400, 64, null],
  [512, 512, [0.5, 4]],
] as const)('refuses a slice of %i x %i pixels of %s mm', (columns, rows, pixelSpacing) => {
  const slice = { columns, rows, pixelSpacing } as unknown as SourceSlice;
  expect(() => checkSize('a.png', slice)).toThrowError(
    expect.objectContaining({
      code: 'ERR_NOT_LUMBAR',
      message: expect.stringContaining(`a.png: found a slice of ${columns} x ${rows} pixels`),
    }),
  );
});

it('accepts the slices of lumbar MRI, with pixels that are not square too', () => {
  for (const [columns, rows, pixelSpacing] of [
    [32, 32, null],
    [256, 1024, [0.3, 0.3]],
    [128, 512, [0.5, 1]],
  ] as const) {
    checkSize('a.png', { columns, rows, pixelSpacing } as unknown as SourceSlice);
  }
});

it.each([
  ['on one spot', [50, 50, 50, 50, 50]],
  ['of which two are on one spot', [10, 30, 30.5, 50, 70]],
])('refuses discs %s', (_, heights) => {
  const discs = LEVELS.map((level, index) => ({ level, point: [30, heights[index]!] as const }));
  const located = { discs, pitchPx: (heights[4]! - heights[0]!) / 4 } as unknown as Located;
  expect(() => checkApart('a.png', { rows: 96, columns: 96 }, located)).toThrowError(
    expect.objectContaining({
      code: 'ERR_NOT_LUMBAR',
      message: expect.stringMatching(
        /^a\.png: the localization failed: found L.* and L.* 0\.\d pixels apart/,
      ),
    }),
  );
});

it('accepts the discs of a whole spine, of unequal distances', () => {
  const discs = LEVELS.map((level, index) => ({
    level,
    point: [300, 700 + 25 * index - (index === 3 ? 12 : 0)],
  }));
  checkApart('a.png', { rows: 1000, columns: 500 }, { discs, pitchPx: 25 } as unknown as Located);
});
