import { describe, expect, it } from 'vitest';
import { locateOnMaps } from '#spinegrad/model/locate.js';
import { isDoubtful } from '#spinegrad/model/located.js';
import { mirrorMaps, type SliceMaps } from '#spinegrad/model/maps.js';
import { DISCS, type Dot, IMAGE_SIZE, maps, SIDE, SPACING, TO_IMAGE } from './maps.js';

const locateMaps = (slice: SliceMaps, pixelSpacing: readonly [number, number] | null = SPACING) =>
  locateOnMaps(slice, SIDE, { toImage: TO_IMAGE, pixelSpacing, imageSize: IMAGE_SIZE });

describe('locateOnMaps', () => {
  it('gives points in the original image, from cranial to caudal, without a doubt', () => {
    const { discs, pitchPx, doubts, doubtful, lumbar } = locateMaps(maps(DISCS));
    expect(discs.map(({ level }) => level)).toEqual(['T12/L1', 'L1/L2', 'L2/L3', 'L3/L4', 'L4/L5', 'L5/S1']);
    const [x, y] = discs.at(-1)!.point;
    expect(Math.hypot(x - 2 * DISCS[0]![0], y - 2 * DISCS[0]![1])).toBeLessThan(0.2);
    expect(pitchPx).toBeGreaterThan(17);
    expect(pitchPx).toBeLessThan(20);
    expect({ doubts, doubtful, lumbar }).toEqual({ doubts: [], doubtful: false, lumbar: true });
  });

  it('needs no pixel spacing', () => {
    const [known, unknown] = [locateMaps(maps(DISCS)), locateMaps(maps(DISCS), null)];
    expect(unknown.discs.map(({ point }) => point)).toEqual(known.discs.map(({ point }) => point));
  });

  it('takes the scale from the pitch of the training if the spacing is missing', () => {
    const steady = maps(DISCS, [DISCS, DISCS.map(([x, y]) => [x + 1, y])]);
    const spread = (pitchMm: number) => {
      const { discs, pitchPx } = locateMaps({ ...steady, pitchMm }, null);
      return { mm: discs[2]!.spreadMm, pitchPx };
    };
    const [centres, canal] = [spread(36), spread(29)];
    expect(canal.pitchPx).toBeCloseTo(centres.pitchPx, 6);
    expect(canal.mm / centres.mm).toBeCloseTo(29 / 36, 6);
  });

  it('accounts for maps of half the resolution of the slice', () => {
    const located = locateOnMaps(maps(DISCS), 2 * SIDE, {
      ...{ toImage: [1, 0, 0, 0, 1, 0], pixelSpacing: SPACING, imageSize: IMAGE_SIZE },
    });
    const [x, y] = located.discs.at(-1)!.point;
    expect(x).toBeCloseTo(2 * DISCS[0]![0] + 0.5, 0);
    expect(y).toBeCloseTo(2 * DISCS[0]![1] + 0.5, 0);
  });

  it('measures the spread of the views in mm', () => {
    const shifted = DISCS.map(([x, y]): Dot => [x + 1, y]);
    const { discs } = locateMaps(maps(DISCS, [DISCS, shifted]));
    // One pixel of the map is 4 mm; half of the views are off by one.
    for (const { spreadMm } of discs) expect(spreadMm).toBeCloseTo(4 * Math.SQRT1_2, 1);
  });

  it('doubts a place that the views do not agree on', () => {
    const without = DISCS.filter((_, index) => index !== 2);
    const { doubts, discs } = locateMaps(maps(DISCS, [DISCS, without, without, without]));
    expect(doubts).toEqual(['place']);
    expect(discs.filter(isDoubtful).map(({ level }) => level)).toEqual(['L3/L4']);
  });

  it('doubts a disc that was not seen, and too few discs', () => {
    const missed = locateMaps(maps(DISCS.filter((_, index) => index !== 2)));
    expect(missed.doubts).toContain('missed');
    expect(missed.discs.find(({ interpolated }) => interpolated)!.level).toBe('L3/L4');
    const few = locateMaps(maps(DISCS.slice(0, 3)));
    expect(few.doubts).toContain('few_discs');
    expect(few.lumbar).toBe(false);
  });

  it('doubts the levels if the image ends below the lowest disc', () => {
    const ending = (rows: number) =>
      locateOnMaps(maps(DISCS), SIDE, {
        ...{ toImage: TO_IMAGE, pixelSpacing: SPACING, imageSize: [2 * SIDE, 2 * rows] as const },
      }).doubts;
    // L5/S1 is in row 56, a pitch is 9 rows.
    expect(ending(64)).not.toContain('sacrum');
    expect(ending(61)).toContain('sacrum');
  });

  it('finds nothing on empty maps', () => {
    const { discs, lumbar, doubts } = locateMaps(maps([]));
    expect({ discs, lumbar, doubts }).toEqual({ discs: [], lumbar: false, doubts: ['few_discs'] });
  });

  it('sees on which side the anterior edges are', () => {
    const left = locateMaps(maps(DISCS));
    expect(left.anteriorLeft).toBeGreaterThan(10);
    expect(locateMaps(mirrorMaps(maps(DISCS))).anteriorLeft).toBeLessThan(-10);
    expect(mirrorMaps(mirrorMaps(maps(DISCS)))).toEqual(maps(DISCS));
  });
});
