/** Named discs on a slice, with the certainty of their place and of their level, and the limits below which they are doubtful. */
import { LEVELS, type Level, type Point } from '../anatomy.js';
import type { Doubt } from './doubts.js';

export interface LocatedDisc {
  level: Level;
  /** In pixels of the original image. */
  point: Point;
  /** Probability that a disc is at the point. */
  probability: number;
  /** Probability that the disc is of this level. */
  levelProbability: number;
  /** Root mean square distance of the views' peaks from the point, in mm. */
  spreadMm: number;
  /** Whether the disc was not seen; its point is midway between its neighbours. */
  interpolated: boolean;
}

/** A place at which the localizer sees a disc, possibly wrongly. */
export interface LocatedPlace {
  /** In pixels of the original image. */
  point: Point;
  /** Probabilities that the disc of a level is at the point, S1/S2 first and then upwards from L5/S1. */
  levels: readonly number[];
}

export interface Located {
  /** From cranial to caudal. */
  discs: LocatedDisc[];
  /** All places, also those that are no disc of the spine; none with the coordinate regression. */
  places: LocatedPlace[];
  /** Mean distance of lumbar discs in pixels of the original image; NaN if fewer than two discs were found. */
  pitchPx: number;
  /** The same distance in mm, on the slices that the localizer was trained on. */
  pitchMm: number;
  /** Log likelihood ratio of a spine in this view against chance. */
  evidence: number;
  /** Log odds that anterior is on the left. */
  anteriorLeft: number;
  doubts: Doubt[];
  /** Whether `doubts` has an entry. */
  doubtful: boolean;
  /** Whether the slice shows a lumbar spine. */
  lumbar: boolean;
}

/**
 * Limits. On SPIDER slices of patients outside of the training, right chains have 4 to 6 of log likelihood ratio per disc;
 * noise, CT, the head and neck, and axial slices have at most 1.7. `level` and `room` were chosen on the validation patients of
 * five folds: docs/predict.md.
 */
export const LIMITS = {
  /** Levels below this probability are uncertain. */
  level: 0.95,
  /** Minimum distance of the lowest disc from the lower border, in pitches: the sacrum must be visible. */
  room: 0.7,
  /** Places below this probability, or with a larger spread, are uncertain. */
  place: 0.7,
  spreadMm: 7,
  /** Minimum evidence per found disc, and minimum number of lumbar discs, of a lumbar spine. */
  evidence: 2.5,
  lumbarDiscs: 4,
};

const isLumbar = ({ level }: LocatedDisc) => (LEVELS as readonly Level[]).includes(level);

/** Whether a slice with these discs shows a lumbar spine. */
export function isSpine(discs: readonly LocatedDisc[], evidence: number): boolean {
  return discs.filter(isLumbar).length >= LIMITS.lumbarDiscs && evidence >= LIMITS.evidence * discs.length;
}

/** Whether the place or the level of a disc is uncertain. */
export function isDoubtful(disc: LocatedDisc): boolean {
  return disc.interpolated || disc.levelProbability < LIMITS.level || isUnsteady(disc);
}

const isUnsteady = ({ probability, spreadMm }: LocatedDisc) =>
  probability < LIMITS.place || spreadMm > LIMITS.spreadMm;

/**
 * Reasons to doubt the discs of a slice.
 *
 * @param room between the lowest disc and the lower border, in pitches
 */
export function doubtsOf(discs: readonly LocatedDisc[], room: number): Doubt[] {
  const lumbar = discs.filter(isLumbar);
  const doubts: Doubt[] = [];
  if (lumbar.length < LIMITS.lumbarDiscs) doubts.push('few_discs');
  if (lumbar.some(({ levelProbability }) => levelProbability < LIMITS.level)) doubts.push('level');
  if (room < LIMITS.room) doubts.push('sacrum');
  if (lumbar.some(isUnsteady)) doubts.push('place');
  if (lumbar.some(({ interpolated }) => interpolated)) doubts.push('missed');
  return doubts;
}
