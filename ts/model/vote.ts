/**
 * The levels of the discs of one slice, by a vote of neighbouring slices of its stack. A single slice may take a large S1/S2
 * disc for L5/S1, which shifts all its names by one, or see a disc too many; other slices of the same patient often do not.
 *
 * Each slice states the probabilities of the levels of its places, which the forward-backward recursion sums over all chains
 * (chain.ts). Places of two slices are the same disc if they are close in the plane. The vote on a place of the graded slice is
 * the product of these distributions, tempered because neighbouring slices are correlated. The chain of the graded slice is
 * then fitted again, with the voted level of each place.
 */
import { LEVELS, type Level, type Point } from '../anatomy.js';
import { REMNANT } from './chainScore.js';
import { LEVELS_UPWARDS } from './decode.js';
import { type LetterboxedSlice, locateOnMaps } from './locate.js';
import { LIMITS, type Located, type LocatedPlace } from './located.js';
import type { SliceMaps } from './maps.js';

/** A slice of a stack, with what the localizer found on it. */
export interface StackSlice {
  maps: SliceMaps;
  slice: Omit<LetterboxedSlice, 'pixels'>;
  located: Located;
  /** From pixels of the image to mm in the plane that all slices of the stack share. */
  toPlane(point: Point): Point;
}

/** What a slice alone states about the discs of the result. */
export interface SliceVote {
  /** Discs of the result that the slice shows, and those among them that it gives the same level. */
  discs: number;
  agreeing: number;
  /** Mean probability of the levels of these discs on this slice; null without a disc. */
  probability: number | null;
}

/**
 * Probability that a slice is wrong in a way that its distribution does not contain. Of 176 validation slices whose levels all
 * had a probability above 0.99, one was wrong (docs/predict.md): no slice is much more certain than that.
 */
const UNEXPLAINED = 0.01;

/**
 * Correlation of the log odds of two slices. The anatomy of the patient and the habits of the network are common to all slices,
 * noise and partial volume are not; each is taken as one half. With it, five slices count as 1.7 independent ones.
 */
const CORRELATION = 0.5;

/** Maximum distance of a disc on two slices, as a fraction of the mean distance of neighbouring discs. */
const SAME_DISC = 0.35;

/** Probabilities that differ by less are equal. */
const TIE = 1e-6;

/** What a slice states about a place. */
interface Belief {
  /** Probabilities of the levels, given that a disc is at the place; S1/S2 first and then upwards from L5/S1. */
  levels: readonly number[];
  /** Probability that a disc is at the place. */
  weight: number;
}

/**
 * Names the discs of a slice by a vote.
 *
 * @param graded the slice whose discs are named; it shows a lumbar spine
 * @param others neighbouring slices that show one, too
 * @param size side of the letterboxed slices
 * @returns the discs of the graded slice, with levels and their probabilities by the vote, and a vote per slice, the graded one first
 *
 * @example
 * const { located, votes } = voteOnLevels(graded, neighbours, 192);
 * votes.filter(({ discs, agreeing }) => agreeing < discs); // slices that were outvoted
 */
export function voteOnLevels(
  graded: StackSlice,
  others: readonly StackSlice[],
  size: number,
): { located: Located; votes: SliceVote[] } {
  const { places } = graded.located;
  const radius = SAME_DISC * pitchOf(graded);
  const beliefs = places.map(({ point, levels }) => [
    { ...beliefOf(levels), weight: 1 },
    ...others.map((other) => {
      const place = nearest(other, graded.toPlane(point), radius);
      return place && beliefOf(place.levels);
    }),
  ]);
  const voted = beliefs.map((ofSlices) => product(ofSlices.filter((belief) => belief !== undefined)));
  const chosen = voted.map((levels, place) => choose(levels, beliefs[place]![0]!));
  const fitted = locateOnMaps(graded.maps, size, graded.slice, {
    mayBe: (place, level) => level - REMNANT === chosen[place],
    probability: (place, level) => voted[place]![level - REMNANT]!,
  });
  // A slice without a spine of the voted levels keeps its own.
  const located = fitted.lumbar ? fitted : graded.located;

  const named = located.discs
    .filter(({ interpolated }) => !interpolated)
    .map(({ level, point }): NamedPlace => {
      const place = places.findIndex((other) => other.point[0] === point[0] && other.point[1] === point[1]);
      const index = LEVELS_UPWARDS.indexOf(level) - REMNANT;
      return { level, index, probability: voted[place]![index]!, beliefs: beliefs[place]! };
    });
  const isDoubtful = located !== fitted || named.some(isContested);
  return {
    located: isDoubtful ? { ...located, doubts: [...located.doubts, 'vote'], doubtful: true } : located,
    votes: [graded, ...others].map((_, slice) => voteOf(slice, named)),
  };
}

/** A disc of the result, and what the slices state about its place. */
interface NamedPlace {
  level: Level;
  /** Of the level in a belief. */
  index: number;
  /** By the vote. */
  probability: number;
  beliefs: readonly (Belief | undefined)[];
}

/** Whether slices disagree about a lumbar disc, without a clear result. */
const isContested = ({ level, index, probability, beliefs }: NamedPlace): boolean =>
  (LEVELS as readonly Level[]).includes(level) &&
  probability < LIMITS.level &&
  beliefs.some((belief) => belief && indexOfMaximum(belief.levels) !== index);

function voteOf(slice: number, named: readonly NamedPlace[]): SliceVote {
  const shown = named.flatMap(({ index, beliefs }) => {
    const levels = beliefs[slice]?.levels;
    return levels ? [{ agrees: indexOfMaximum(levels) === index, probability: levels[index]! }] : [];
  });
  const sum = shown.reduce((total, { probability }) => total + probability, 0);
  return {
    discs: shown.length,
    agreeing: shown.filter(({ agrees }) => agrees).length,
    probability: shown.length > 0 ? sum / shown.length : null,
  };
}

function beliefOf(probabilities: readonly number[]): Belief {
  const weight = probabilities.reduce((sum, probability) => sum + probability);
  const uniform = 1 / probabilities.length;
  const levels = probabilities.map((probability) => {
    const conditional = weight > 0 ? probability / weight : uniform;
    return (1 - UNEXPLAINED) * conditional + UNEXPLAINED * uniform;
  });
  return { levels, weight: Math.min(1, weight) };
}

/** The product of beliefs, to the power of the number of independent slices divided by their number. */
function product(beliefs: readonly Belief[]): number[] {
  const count = beliefs.reduce((sum, { weight }) => sum + weight, 0);
  const exponent = 1 / (1 + (count - 1) * CORRELATION);
  const logs = beliefs[0]!.levels.map((_, index) =>
    beliefs.reduce((sum, { levels, weight }) => sum + exponent * weight * Math.log(levels[index]!), 0),
  );
  const maximum = Math.max(...logs);
  const weights = logs.map((log) => Math.exp(log - maximum));
  const total = weights.reduce((sum, weight) => sum + weight);
  return weights.map((weight) => weight / total);
}

/** The most probable level; if several are equally probable, the one that the graded slice prefers. */
function choose(voted: readonly number[], own: Belief): number {
  const maximum = Math.max(...voted);
  return indexOfMaximum(own.levels.map((value, index) => (voted[index]! > maximum - TIE ? value : 0)));
}

const indexOfMaximum = (values: readonly number[]) => values.indexOf(Math.max(...values));

/** Mean distance of neighbouring discs in the plane, in mm. */
function pitchOf({ located: { discs }, toPlane }: StackSlice): number {
  const points = discs.map(({ point }) => toPlane(point));
  const distances = points.slice(1).map((point, index) => distance(point, points[index]!));
  return distances.reduce((sum, mm) => sum + mm, 0) / distances.length;
}

/** The place of a slice that is the nearest to a point of the plane, within a radius. */
function nearest({ located, toPlane }: StackSlice, point: Point, radius: number): LocatedPlace | undefined {
  const near = located.places
    .map((place) => ({ place, mm: distance(toPlane(place.point), point) }))
    .filter(({ mm }) => mm <= radius)
    .sort((a, b) => a.mm - b.mm);
  return near[0]?.place;
}

const distance = ([x, y]: Point, [u, v]: Point) => Math.hypot(x - u, y - v);
