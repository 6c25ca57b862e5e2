/** From the maps of the localizer to named discs. No device is involved. */
import type { Point } from '../anatomy.js';
import { type Chain, fitChain } from './chain.js';
import { findPeaks, maximumNear, type Peak } from './peaks.js';
import { LUMBAR_SHAPE, MEAN_PITCH_MM, type SpineShape } from './spineShape.js';

/** Probability maps of one slice in the canonical view: anterior left, superior up. Row-major [height, width]. */
export interface DiscMaps {
  width: number;
  height: number;
  /** Any disc. */
  disc: Float32Array;
  /** L5/S1. */
  sacral: Float32Array;
}

/** Names of the levels from the sacrum upwards. */
export const LEVELS_UPWARDS = [
  ...['L5/S1', 'L4/L5', 'L3/L4', 'L2/L3', 'L1/L2'],
  ...['T12/L1', 'T11/T12', 'T10/T11', 'T9/T10'],
];

export interface DecodedDisc {
  level: string;
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
  /** Distance in pixels that corresponds to 36 mm; NaN with fewer than two discs. */
  pitch: number;
  /** Log likelihood ratio of a spine against chance. */
  evidence: number;
  /** All peaks, the largest first. */
  peaks: Peak[];
}

const PEAKS = { threshold: 0.1, limit: 24 };

/** Log odds beyond this are not believed. */
const MAX_ODDS = 4;

/**
 * Height of the field of view without pixel spacing, in mm. On 111 SPIDER slices the mean pitch is 0.122 of the height,
 * with a deviation of the logarithm of 0.075; other fields of view are allowed for.
 */
const UNKNOWN_SCALE = { heightMm: MEAN_PITCH_MM / 0.122, deviation: 0.25 };

/**
 * Decodes the maps of one slice.
 *
 * @param mmPerPixel of the maps; null without pixel spacing
 *
 * @example
 * const { discs } = decode({ width: 128, height: 128, disc, sacral }, 2.3);
 * discs.map(({ level, levelProbability }) => `${level} ${levelProbability.toFixed(2)}`);
 */
export function decode(maps: DiscMaps, mmPerPixel: number | null, shape: SpineShape = LUMBAR_SHAPE): Decoded {
  const { width, height } = maps;
  const peaks = findPeaks({ width, height, values: maps.disc }, PEAKS.threshold, PEAKS.limit);
  const scale =
    mmPerPixel === null
      ? { mmPerPixel: UNKNOWN_SCALE.heightMm / height, deviation: UNKNOWN_SCALE.deviation }
      : { mmPerPixel, deviation: shape.size };
  const radius = (0.2 * MEAN_PITCH_MM) / scale.mmPerPixel;
  const sacral = { width, height, values: maps.sacral };
  const candidates = peaks.map((peak) => ({
    x: peak.x,
    y: peak.y,
    disc: odds(peak.value),
    sacral: odds(maximumNear(sacral, peak, radius)),
  }));
  const chain = fitChain(candidates, scale, shape, LEVELS_UPWARDS.length);
  const discs = chain.discs.map(({ level, x, y, probability, levelProbability, candidate }) => ({
    level: LEVELS_UPWARDS[level]!,
    point: [x, y] as Point,
    probability,
    levelProbability,
    interpolated: candidate === null,
  }));
  return { discs, pitch: pitchOf(chain, shape), evidence: chain.evidence, peaks };
}

function odds(probability: number): number {
  const logit = Math.log(probability / (1 - probability));
  return Math.min(MAX_ODDS, Math.max(-MAX_ODDS, logit));
}

/** Pixels per 36 mm: the median over the segments of their length divided by the mean length of their level. */
function pitchOf({ discs }: Chain, { lengthMm }: SpineShape): number {
  const scales = discs
    .slice(1)
    .map(({ x, y }, index) => {
      const below = discs[index]!;
      const expected = lengthMm[Math.min(below.level, lengthMm.length - 1)]!;
      return Math.hypot(x - below.x, y - below.y) / expected;
    })
    .sort((a, b) => a - b);
  return MEAN_PITCH_MM * (scales[Math.floor(scales.length / 2)] ?? Number.NaN);
}
