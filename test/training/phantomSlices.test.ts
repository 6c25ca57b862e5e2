import { describe, expect, it } from 'vitest';
import { DISC_LEVELS, type Point } from '#spinegrad/anatomy.js';
import { withPhantoms } from '#spinegrad/training/phantomSlices.js';
import { tinyBank } from '../predict/tiny.js';

const tiny = tinyBank({ train: 1, validation: 1, test: 0 });
const SIZE = 128;
const bank = {
  ...tiny,
  manifest: { ...tiny.manifest, layout: 'table' as const, sliceSize: SIZE },
  slices: new Uint16Array(tiny.manifest.slices.length * SIZE * SIZE),
};
const COUNT = 2;
const mixed = withPhantoms(bank, COUNT, 1);
const phantoms = mixed.manifest.slices.slice(-COUNT);

/** Mean of the 3x3 pixels at a point of a row. */
function brightness(row: number, [x, y]: Point): number {
  const around = [-1, 0, 1].flatMap((v) => [-1, 0, 1].map((u) => [Math.round(x) + u, Math.round(y) + v]));
  return around.reduce((sum, [u, v]) => sum + mixed.slices[(row * SIZE + v!) * SIZE + u!]!, 0) / 9;
}

describe('withPhantoms', () => {
  it('adds complete training slices whose lowest disc is L5/S1', () => {
    expect(mixed.manifest.slices.slice(0, -COUNT)).toEqual(bank.manifest.slices);
    for (const { discs, split, complete } of phantoms) {
      const levels = discs.map(({ level }) => level);
      expect(levels.length).toBeGreaterThanOrEqual(5);
      expect(levels).toEqual(DISC_LEVELS.slice(-levels.length));
      expect([split, complete]).toEqual(['train', true]);
    }
  });

  it('marks the discs: on T1 they are darker than the vertebrae between them', () => {
    for (const { row, series, discs } of phantoms) {
      if (series !== 'Sagittal T1') continue;
      for (const [i, { centre }] of discs.slice(1).entries()) {
        const above = discs[i]!.centre;
        const vertebra: Point = [(centre[0] + above[0]) / 2, (centre[1] + above[1]) / 2];
        expect(brightness(row, centre)).toBeLessThan(0.8 * brightness(row, vertebra));
      }
    }
  });

  it('has both weightings, and the same bits in a second call', () => {
    expect(new Set(phantoms.map(({ series }) => series)).size).toBe(2);
    const again = withPhantoms(bank, 1, 1).slices;
    expect(again).toEqual(mixed.slices.subarray(0, again.length));
    expect(withPhantoms(bank, 1, 2).slices).not.toEqual(again);
  });

  it('refuses points of the canal', () => {
    const canal = { ...bank, manifest: { ...bank.manifest, layout: 'rsna' as const } };
    expect(() => withPhantoms(canal, 1, 1)).toThrow(expect.objectContaining({ code: 'ERR_CONFIG' }));
    expect(withPhantoms(canal, 0, 1)).toBe(canal);
  });
});
