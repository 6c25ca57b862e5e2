import { describe, expect, it } from 'vitest';
import { LEVELS, type Point } from '#spinegrad/anatomy.js';
import { locateOnMaps } from '#spinegrad/model/locate.js';
import type { SliceMaps } from '#spinegrad/model/maps.js';
import { type StackSlice, voteOnLevels } from '#spinegrad/model/vote.js';
import { type Dot, IMAGE_SIZE, maps, PITCH, SIDE, SPACING, TO_IMAGE } from './maps.js';

/** Five discs from L5/S1 upwards, and the place of S1/S2 below them. */
const DISCS: Dot[] = [...[31, 29.5, 29.5, 30.5, 32.5].entries()].map(([i, x]) => [x, 44 - i * PITCH]);
const SACRAL: Dot = [33, 52];

/** A slice with right names. */
const right = () => stackSlice(maps(DISCS));
/** A slice on which S1/S2 looks like L5/S1. */
const wrong = () => stackSlice(maps([SACRAL, ...DISCS]));

/** @param moved in pixels of the image, which `toPlane` undoes */
function stackSlice(sliceMaps: SliceMaps, moved = 0): StackSlice {
  const slice = {
    toImage: [2, 0, moved, 0, 2, 0] as const,
    ...{ pixelSpacing: SPACING, imageSize: IMAGE_SIZE },
  };
  return {
    ...{ maps: sliceMaps, slice, located: locateOnMaps(sliceMaps, SIDE, slice) },
    toPlane: ([x, y]) => [SPACING[1] * (x - moved), SPACING[0] * y],
  };
}

/** The slice as if all its names were some levels higher, with the same certainty. */
function renamed(slice: StackSlice, step: number): StackSlice {
  const places = slice.located.places.map(({ point, levels }) => {
    const exchanged = [...levels];
    const level = levels.indexOf(Math.max(...levels));
    exchanged[level + step] = levels[level]!;
    exchanged[level] = levels[level + step]!;
    return { point, levels: exchanged };
  });
  return { ...slice, located: { ...slice.located, places } };
}

const vote = (graded: StackSlice, others: StackSlice[]) => voteOnLevels(graded, others, SIDE);

/** The found levels at the true places, from L1/L2 to L5/S1. */
const namesAt = ({ discs }: StackSlice['located']) =>
  DISCS.toReversed().map(
    ([x, y]) =>
      discs.find(({ point }) => Math.hypot(point[0] - TO_IMAGE[0] * x, point[1] - TO_IMAGE[4] * y) < 4)
        ?.level,
  );

const lowest = ({ discs }: StackSlice['located']) =>
  Math.min(...discs.map(({ levelProbability }) => levelProbability));

describe('voteOnLevels', () => {
  it('outvotes a graded slice that takes S1/S2 for L5/S1', () => {
    const graded = wrong();
    expect(namesAt(graded.located)).toEqual(['T12/L1', ...LEVELS.slice(0, -1)]);
    const { located, votes } = vote(graded, [right(), right(), right(), right()]);
    expect(namesAt(located)).toEqual(LEVELS);
    expect(located.discs).toHaveLength(5);
    expect(lowest(located)).toBeGreaterThan(0.95);
    expect(located.doubts).toEqual([]);
    expect(votes.map(({ agreeing, discs }) => [agreeing, discs])).toEqual([[0, 5], ...Array(4).fill([5, 5])]);
    expect(votes[0]!.probability).toBeLessThan(0.1);
    expect(votes[1]!.probability).toBeGreaterThan(0.9);
  });

  it('outvotes a neighbour, and never moves a disc', () => {
    const graded = right();
    const { located, votes } = vote(graded, [right(), wrong(), right(), right()]);
    const points = (slice: StackSlice['located']) => slice.discs.map(({ level, point }) => [level, point]);
    expect(points(located)).toEqual(points(graded.located));
    expect(votes.map(({ agreeing }) => agreeing)).toEqual([5, 5, 0, 5, 5]);
    expect(located.doubts).toEqual([]);
  });

  it('doubts a tie, and keeps the names of the graded slice', () => {
    const graded = right();
    for (const step of [1, -1]) {
      const { located, votes } = vote(graded, [renamed(graded, step)]);
      expect(namesAt(located)).toEqual(LEVELS);
      expect(votes.map(({ agreeing }) => agreeing)).toEqual([5, 0]);
      expect(located.doubts).toContain('vote');
      expect(located.doubtful).toBe(true);
      for (const { levelProbability } of located.discs) expect(levelProbability).toBeLessThan(0.51);
    }
  });

  it('doubts a majority of three to two', () => {
    const { located } = vote(right(), [right(), wrong(), right(), wrong()]);
    expect(namesAt(located)).toEqual(LEVELS);
    expect(located.doubts).toContain('vote');
  });

  it('leaves a slice without voters as it is', () => {
    const graded = right();
    const { located, votes } = vote(graded, []);
    const { discs, doubts } = graded.located;
    expect(located.discs.map(({ level, point }) => ({ level, point }))).toEqual(
      discs.map(({ level, point }) => ({ level, point })),
    );
    expect(located.doubts).toEqual(doubts);
    expect(votes).toHaveLength(1);
  });

  it('is surer of levels on which slices agree, but not as sure as if these were independent', () => {
    const graded = stackSlice(maps(DISCS, [DISCS], []));
    const others = [1, 2, 3, 4].map(() => stackSlice(maps(DISCS, [DISCS], [])));
    const odds = (slice: StackSlice['located']) => {
      const { levelProbability } = slice.discs.at(-1)!;
      return Math.log(levelProbability / (1 - levelProbability));
    };
    const [alone, voted] = [odds(graded.located), odds(vote(graded, others).located)];
    expect(voted).toBeGreaterThan(1.2 * alone);
    expect(voted).toBeLessThan(2.5 * alone);
  });

  it('compares places in the plane, not in pixels', () => {
    const shifted = () => stackSlice(maps(DISCS), 2 * PITCH);
    const { located, votes } = vote(wrong(), [shifted(), shifted(), shifted(), shifted()]);
    expect(namesAt(located)).toEqual(LEVELS);
    expect(votes.map(({ discs }) => discs)).toEqual([5, 5, 5, 5, 5]);
    const elsewhere = { ...shifted(), toPlane: ([x, y]: Point): Point => [2 * x, 2 * y] };
    const apart = vote(wrong(), [elsewhere]).votes;
    expect(apart.map(({ discs }) => discs)).toEqual([6, 0]);
    expect(apart[1]!.probability).toBeNull();
  });

  it('names a disc that only the graded slice shows by this slice', () => {
    const without = () => stackSlice(maps(DISCS.slice(0, -1)));
    const { located, votes } = vote(right(), [without(), without()]);
    expect(namesAt(located)).toEqual(LEVELS);
    expect(votes.map(({ discs }) => discs)).toEqual([5, 4, 4]);
  });

  it('keeps the names of a slice that has no spine with the voted ones, and doubts them', () => {
    const graded = right();
    const other = right();
    const onlySacral = other.located.places.map((place) => ({
      ...place,
      levels: place.levels.map((_, index) => (index === 0 ? 1 : 0)),
    }));
    const impossible = { ...other, located: { ...other.located, places: onlySacral } };
    const { located } = vote(graded, [impossible, impossible, impossible]);
    expect(located.discs).toEqual(graded.located.discs);
    expect(located.doubts).toContain('vote');
  });
});
