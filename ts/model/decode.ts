/** From the maps of the localizer to named discs. No device is involved. */
import { DISC_LEVELS, type Level, type Point } from '../anatomy.js';
import { type Chain, fitChain } from './chain.js';
import type { Naming } from './chainDiscs.js';
import type { Bounds } from './chainScore.js';
import { findPeaks, maximumNear, type Peak } from './peaks.js';
import { LUMBAR_SHAPE, type SpineShape } from './spineShape.js';

/** Probability maps of one slice in the canonical view: anterior left, superior up. Row-major [height, width]. */
export interface DiscMaps {
  width: number;
  height: number;
  /** Any disc. */
  disc: Float32Array;
  /** The disc of one level each, from L5/S1 upwards; possibly none. */
  levels: readonly Float32Array[];
}

/** Names of the levels from the sacrum upwards. */
export const LEVELS_UPWARDS: readonly Level[] = DISC_LEVELS.toReversed();

export interface DecodedDisc {
  level: Level;
  /** Pixels of the map. */
  point: Point;
  /** Probability that a disc is at the point. */
  probability: number;
  /** Probability that it is the disc of this level. */
  levelProbability: number;
  /** Whether the disc has no peak; its point is midway between its neighbours. */
  interpolated: boolean;
}

export interface Decoded {
  /** From the sacrum upwards. */
  discs: DecodedDisc[];
  /** Mean length of L1/L2 to L5/S1 in pixels, `pitchMm` of the shape; NaN with fewer than two discs. */
  pitch: number;
  /** Log likelihood ratio of a spine against chance. */
  evidence: number;
  /** All peaks, the largest first. */
  peaks: Peak[];
  /** Per peak: the probability that it is the disc of a level, S1/S2 first and then upwards from L5/S1. */
  peakLevels: number[][];
}

const PEAKS = { threshold: 0.1, limit: 24 };

/**
 * Log likelihood ratios from the value v of a map: weight log(v / (1 - v)) + offset, within limits. Fitted to the peaks of
 * localizers on SPIDER slices that they were not trained on: 0.7 of the discs and 1 of 300 false peaks have a value above
 * 0.7; of 87 slices, the largest value of the map of L5/S1 is at L5/S1 on 80.
 */
const DISC_RATIO = { weight: 2.5, offset: -0.5, minimum: -5, maximum: 5 };
const LEVEL_RATIO = { weight: 2, offset: 0, minimum: -2, maximum: 5 };

/**
 * Scale without pixel spacing. On 111 SPIDER slices the mean pitch is 0.122 of the height, with a deviation of the
 * logarithm of 0.075; other fields of view are allowed for.
 */
const UNKNOWN_SCALE = { pitchPerHeight: 0.122, deviation: 0.25 };

/**
 * Decodes the maps of one slice.
 *
 * @param mmPerPixel of the maps; null without pixel spacing
 * @param bounds rows of the maps that the image covers; default: all
 * @param shape default: that of disc centres
 * @param naming of the peaks, with the number of discs above L5/S1 as the level; default: all names are possible
 *
 * @example
 * const { discs } = decode({ width: 128, height: 128, disc, levels: [sacral] }, 2.3);
 * discs.map(({ level, levelProbability }) => `${level} ${levelProbability.toFixed(2)}`);
 */
export function decode(
  maps: DiscMaps,
  mmPerPixel: number | null,
  bounds: Bounds = { top: 0, bottom: maps.height - 1 },
  shape: SpineShape = LUMBAR_SHAPE,
  naming: Naming | null = null,
): Decoded {
  const { width, height } = maps;
  const peaks = findPeaks({ width, height, values: maps.disc }, PEAKS.threshold, PEAKS.limit);
  const scale =
    mmPerPixel === null
      ? {
          mmPerPixel: shape.pitchMm / (UNKNOWN_SCALE.pitchPerHeight * height),
          deviation: UNKNOWN_SCALE.deviation,
        }
      : { mmPerPixel, deviation: shape.size };
  const radius = (0.2 * shape.pitchMm) / scale.mmPerPixel;
  const candidates = peaks.map((peak) => ({
    x: peak.x,
    y: peak.y,
    disc: logRatio(peak.value, DISC_RATIO),
    levels: maps.levels.map((values) =>
      logRatio(maximumNear({ width, height, values }, peak, radius), LEVEL_RATIO),
    ),
  }));
  const chain = fitChain(candidates, scale, shape, bounds, LEVELS_UPWARDS.length, naming);
  const discs = chain.discs.map(({ level, x, y, probability, levelProbability, candidate }) => ({
    level: LEVELS_UPWARDS[level]!,
    point: [x, y] as Point,
    probability,
    levelProbability,
    interpolated: candidate === null,
  }));
  const { evidence, levels: peakLevels } = chain;
  return { discs, pitch: pitchOf(chain, shape), evidence, peaks, peakLevels };
}

function logRatio(value: number, { weight, offset, minimum, maximum }: typeof DISC_RATIO): number {
  return Math.min(maximum, Math.max(minimum, weight * Math.log(value / (1 - value)) + offset));
}

/** Pixels per `pitchMm`: the median over the segments of their length divided by the mean length of their level. */
function pitchOf({ discs }: Chain, { lengthMm, pitchMm }: SpineShape): number {
  const scales = discs
    .slice(1)
    .map(({ x, y }, index) => {
      const below = discs[index]!;
      const expected = lengthMm[Math.min(below.level, lengthMm.length - 1)]!;
      return Math.hypot(x - below.x, y - below.y) / expected;
    })
    .sort((a, b) => a - b);
  return pitchMm * (scales[Math.floor(scales.length / 2)] ?? Number.NaN);
}
