/**
 * The score of a chain of discs: the logarithm of the likelihood ratio of a spine against false peaks that are scattered
 * evenly over the image. It is a sum over the discs (peak height, maps of levels), the segments (length, direction) and the
 * events (first level, missed discs).
 */
import { logDensity, meanSegment, type Segment, type SpineShape } from './spineShape.js';

export interface Candidate {
  readonly x: number;
  readonly y: number;
  /** Log likelihood ratio of a disc against a false peak. */
  readonly disc: number;
  /** Log likelihood ratio of the disc of a level against another disc, from L5/S1 upwards; 0 for further levels. */
  readonly levels: readonly number[];
}

export interface Scale {
  readonly mmPerPixel: number;
  /** Standard deviation of the logarithm of the scale, including the size of the patient. */
  readonly deviation: number;
}

/** Rows of the map that the image covers. */
export interface Bounds {
  readonly top: number;
  readonly bottom: number;
}

/** Level of a rudimentary S1/S2 disc. L5/S1 is 0. */
export const REMNANT = -1;

/** Probabilities of the first level of a chain. L5/S1 is the lowest disc on nearly every slice. */
const FIRST_LEVEL = { lowest: 0.87, remnant: 0.1, second: 0.02, higher: 0.01 / 7 };

/** Probability that a disc between two found discs has no peak. */
const MISSED = 0.03;

/**
 * Distances from the ends of a chain to the border of the image, in lengths of the segment at the end. On 111 SPIDER slices,
 * the highest disc is less than `above` below the upper border, because discs continue upwards, and L5/S1 is more than `below`
 * above the lower one, because the sacrum follows. `violated`: the probability that an image is different.
 */
const ROOM = { above: 1.25, below: 0.8, violated: 0.01 };

/** Expected number of false peaks in a square whose side is the distance of neighbouring discs. */
const FALSE_DENSITY = 0.05;

/** The score is divided by this: its terms are not independent, and their sum is too certain. */
const TEMPERATURE = 1.5;

const VIOLATED = Math.log(ROOM.violated) / TEMPERATURE;

const RADIANS = Math.PI / 180;

/** Two discs of a chain, one or two levels apart. */
export interface Connection {
  readonly from: Candidate;
  readonly fromLevel: number;
  readonly to: Candidate;
  readonly toLevel: number;
}

const pitchOf = ({ from, fromLevel, to, toLevel }: Connection) =>
  Math.hypot(to.x - from.x, to.y - from.y) / (toLevel - fromLevel);

/** Terms of the score. */
export class ChainScore {
  readonly missed = Math.log(MISSED) / TEMPERATURE;
  readonly #logScale: number;

  constructor(
    private readonly scale: Scale,
    private readonly shape: SpineShape,
    private readonly bounds: Bounds,
    /** Level of the highest disc that has a name. */
    private readonly highest: number,
  ) {
    this.#logScale = Math.log(scale.mmPerPixel);
  }

  /** The first disc of a chain. */
  begin(candidate: Candidate, level: number): number {
    return Math.log(firstLevel(level)) / TEMPERATURE + this.disc(candidate, level);
  }

  disc({ disc, levels }: Candidate, level: number): number {
    return (disc + (levels[level] ?? 0)) / TEMPERATURE;
  }

  /** Deviation of a segment from the mean segment of its levels. */
  residual(from: Candidate, to: Candidate, fromLevel: number, toLevel: number): Segment {
    const [dx, dy] = [to.x - from.x, from.y - to.y];
    const mean = meanSegment(this.shape, fromLevel, toLevel);
    return {
      logLength: Math.log(Math.hypot(dx, dy)) + this.#logScale - mean.logLength,
      direction: Math.atan2(dx, dy) / RADIANS - mean.direction,
    };
  }

  /** The lowest segment of a chain, by its residual and the room below it. */
  first(segment: Connection, { logLength, direction }: Segment): number {
    const room = (this.bounds.bottom - segment.from.y) / pitchOf(segment);
    const violated = segment.fromLevel === 0 && room < ROOM.below;
    return (
      segmentScore(logLength, this.scale.deviation, direction, this.shape.tilt) + (violated ? VIOLATED : 0)
    );
  }

  /** The end of a chain above its highest segment. */
  end(segment: Connection): number {
    const room = (segment.to.y - this.bounds.top) / pitchOf(segment);
    return segment.toLevel < this.highest && room > ROOM.above ? VIOLATED : 0;
  }

  /** A segment above another one. */
  next(previous: Segment, { logLength, direction }: Segment): number {
    const { ratio, persistence, bend } = this.shape;
    return segmentScore(
      logLength - previous.logLength,
      ratio,
      direction - persistence * previous.direction,
      bend,
    );
  }
}

/** The area element of logarithmic polar coordinates is the square of the length, the unit of FALSE_DENSITY. */
function segmentScore(logLength: number, deviation: number, degrees: number, sigma: number): number {
  const density = logDensity(logLength, deviation) + logDensity(degrees * RADIANS, sigma * RADIANS);
  return (density - Math.log(FALSE_DENSITY)) / TEMPERATURE;
}

function firstLevel(level: number): number {
  if (level === REMNANT) return FIRST_LEVEL.remnant;
  if (level === 0) return FIRST_LEVEL.lowest;
  return level === 1 ? FIRST_LEVEL.second : FIRST_LEVEL.higher;
}
