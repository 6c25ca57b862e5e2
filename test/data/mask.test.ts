import { describe, expect, test } from 'vitest';
import { discsFromMask, discsFromRegions } from '#spinegrad/data/mask.js';
import type { SourceSlice } from '#spinegrad/data/series.js';

const COLUMNS = 40;
const ROWS = 60;
type Block = readonly [label: number, left: number, top: number, right: number, bottom: number];

/** A sagittal slice at `x` mm that is 0 except for blocks of labels; the bounds of a block are included. */
function slice(blocks: readonly Block[], x = 0, upsideDown = false): SourceSlice {
  const pixels = new Float32Array(COLUMNS * ROWS);
  for (const [label, left, top, right, bottom] of blocks) {
    for (let row = top; row <= bottom; row++) {
      pixels.fill(label, row * COLUMNS + left, row * COLUMNS + right + 1);
    }
  }
  return {
    path: 'mask.mha',
    instanceNumber: x + 1,
    rows: ROWS,
    columns: COLUMNS,
    pixels,
    window: { low: 0, high: 255 },
    pixelSpacing: [1, 1],
    geometry: {
      rowDirection: [0, 1, 0],
      columnDirection: [0, 0, upsideDown ? 1 : -1],
      position: [x, 0, 0],
    },
  };
}

/** A canal with an area of `width` x 60. */
const canal = (width: number): Block => [100, 30, 0, 29 + width, ROWS - 1];
const L5_S1: Block = [201, 10, 50, 21, 53];
const L4_L5: Block = [202, 11, 40, 22, 43];
const L3_L4: Block = [203, 12, 30, 23, 33];

describe('discsFromMask', () => {
  test('returns centre and box of each label, from the sacrum upwards', () => {
    const { discs } = discsFromMask([slice([canal(5), L3_L4, L5_S1, L4_L5, [1, 10, 44, 22, 49]])]);
    expect(discs).toEqual([
      { level: 'L5/S1', centre: [15.5, 51.5], box: [10, 50, 21, 53] },
      { level: 'L4/L5', centre: [16.5, 41.5], box: [11, 40, 22, 43] },
      { level: 'L3/L4', centre: [17.5, 31.5], box: [12, 30, 23, 33] },
    ]);
  });

  test('reads the labels up to T9/T10', () => {
    const blocks = Array.from({ length: 11 }, (_, i): Block => [201 + i, 5, 55 - 5 * i, 20, 57 - 5 * i]);
    const { discs } = discsFromMask([slice([canal(5), ...blocks])]);
    expect(discs.map(({ level }) => level)).toEqual(
      'L5/S1 L4/L5 L3/L4 L2/L3 L1/L2 T12/L1 T11/T12 T10/T11 T9/T10'.split(' '),
    );
  });

  test('uses the level of the label, not the number of discs below it', () => {
    const { discs } = discsFromMask([slice([canal(5), L3_L4])]);
    expect(discs.map(({ level }) => level)).toEqual(['L3/L4']);
  });

  test('takes the largest region of a label, and no region far below the area of the other discs', () => {
    const stray: Block = [201, 2, 2, 4, 2];
    const border: Block = [203, 10, 0, 14, 0];
    const { discs } = discsFromMask([slice([canal(5), stray, border, L5_S1, L4_L5])]);
    expect(discs.map(({ box }) => box)).toEqual([L5_S1.slice(1), L4_L5.slice(1)]);
  });

  test('chooses the slice with the largest canal', () => {
    const mask = [2, 4, 9, 3].map((width, x) => slice([canal(width), L5_S1], x));
    expect(discsFromMask(mask).slice).toBe(mask[2]);
  });

  test('chooses the most central of the slices with about the largest canal', () => {
    // 200 and 190 rows of canal differ by less than a tenth; the centre of mass is at slice 2.
    const mask = [
      [canal(10)],
      [canal(10)],
      [canal(10), [0, 30, 0, 39, 1] as Block],
      [canal(9)],
      [canal(9)],
    ].map((blocks, x) => slice([...blocks, L5_S1], x));
    expect(discsFromMask(mask).slice).toBe(mask[2]);
  });

  test('throws ERR_MASK without a canal', () => {
    expect(() => discsFromMask([slice([L5_S1])])).toThrow(
      expect.objectContaining({
        code: 'ERR_MASK',
        message: expect.stringContaining('mask.mha: found no voxel'),
      }),
    );
  });
});

describe('discsFromRegions', () => {
  const discs: Block[] = [L3_L4, L5_S1, L4_L5].map(([, ...box]) => [29, ...box]);
  const levelsOf = (found: ReturnType<typeof discsFromRegions>) =>
    found?.map(({ level, box: [, top] }) => [level, top]);

  test('orders the regions from the sacrum upwards, by geometry', () => {
    expect(levelsOf(discsFromRegions(slice(discs), 29, 3))).toEqual([
      ['L5/S1', 50],
      ['L4/L5', 40],
      ['L3/L4', 30],
    ]);
    expect(levelsOf(discsFromRegions(slice(discs, 0, true), 29, 3))).toEqual([
      ['L5/S1', 30],
      ['L4/L5', 40],
      ['L3/L4', 50],
    ]);
  });

  test('assumes superior up without geometry', () => {
    const image = { ...slice(discs), geometry: null, pixelSpacing: null };
    expect(levelsOf(discsFromRegions(image, 29, 3))?.[0]).toEqual(['L5/S1', 50]);
  });

  test('joins the pieces of a disc, and not two discs', () => {
    // The widest piece is 17 pixels wide, so that a distance of 2 columns is joined and one of 6 rows is not.
    const pieces = slice([...discs, [29, 24, 41, 39, 42], [29, 6, 20, 23, 23]]);
    const found = discsFromRegions(pieces, 29, 4);
    expect(found?.map(({ level }) => level)).toEqual(['L5/S1', 'L4/L5', 'L3/L4', 'L2/L3']);
    expect(found?.[1]?.box).toEqual([11, 40, 39, 43]);
  });

  test('leaves out small regions and ignores other labels', () => {
    const stray: Block[] = [
      [29, 35, 5, 36, 6],
      [76, 5, 5, 20, 9],
    ];
    expect(discsFromRegions(slice([...discs, ...stray]), 29, 3)).toHaveLength(3);
    expect(discsFromRegions(slice([]), 29, 0)).toEqual([]);
  });

  test('is null if the number of regions is not the number of discs', () => {
    expect(discsFromRegions(slice(discs), 29, 2)).toBeNull();
    expect(discsFromRegions(slice(discs), 29, 4)).toBeNull();
    const ten = Array.from({ length: 10 }, (_, i): Block => [29, 5, 6 * i, 20, 6 * i + 2]);
    expect(discsFromRegions(slice(ten), 29, 9)).toBeNull();
    expect(discsFromRegions(slice(ten), 29, 10)).toBeNull();
  });
});
