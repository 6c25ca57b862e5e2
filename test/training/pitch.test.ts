import { describe, expect, it } from 'vitest';
import { DISC_LEVELS, type Level, type Point } from '#spinegrad/anatomy.js';
import { LUMBAR_SHAPE } from '#spinegrad/model/spineShape.js';
import { measurePitch } from '#spinegrad/training/pitch.js';

/** Discs whose distances are those of the lumbar shape times `factor`, in pixels of 2 mm. */
function slice(factor: number, levels: readonly Level[] = DISC_LEVELS) {
  let y = 200;
  const centres = DISC_LEVELS.toReversed().map((level, n) => {
    const centre: Point = [30, y];
    y -= (factor * LUMBAR_SHAPE.lengthMm[n]!) / 2;
    return { level, centre, box: null };
  });
  const discs = centres.filter(({ level }) => levels.includes(level));
  return { discs, toImage: [2, 0, 0, 0, 2, 0] as const, pixelSpacing: [1, 1] as const };
}

describe('measurePitch', () => {
  it('gives the mean distance of lumbar discs for disc centres at any levels', () => {
    expect(measurePitch([slice(1)])).toBeCloseTo(36, 9);
    expect(measurePitch([slice(1, ['T10/T11', 'T11/T12', 'T12/L1'])])).toBeCloseTo(36, 9);
  });

  it('is smaller for points of the canal', () => {
    expect(measurePitch([slice(0.8), slice(0.82), slice(0.84)])).toBeCloseTo(0.82 * 36, 9);
  });

  it('ignores points without a neighbour', () => {
    expect(measurePitch([slice(0.8), slice(2, ['L1/L2', 'L3/L4'])])).toBeCloseTo(0.8 * 36, 9);
  });

  it('assumes disc centres if no slice has neighbours', () => {
    expect(measurePitch([slice(2, ['L3/L4'])])).toBe(36);
  });
});
