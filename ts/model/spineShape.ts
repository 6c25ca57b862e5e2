/**
 * The shape of the lumbar spine on a sagittal slice, as a probability model of the segments that connect the centres of
 * neighbouring discs. Segment n leads from disc n to disc n + 1, counted upwards from L5/S1 = 0; segment -1 leads from a
 * rudimentary S1/S2 disc to L5/S1. Direction and length of successive segments form a Gaussian autoregressive process,
 * because the tilt and the size of the patient are common to all segments.
 *
 * The numbers are means and residual deviations of 111 slices of 69 SPIDER patients (van der Graaf et al., Sci Data
 * 11:264, 2024), rounded. Deviations are widened, that of the tilt twofold, because spondylolisthesis and a steep sacrum
 * turn L5/S1 by up to 40 degrees. S1/S2 is that of rudimentary discs on slices of the same patients.
 */

export interface SpineShape {
  /** Mean length of L1/L2 to L5/S1 in mm. */
  readonly pitchMm: number;
  /** Mean length of segment n in mm. The last value is also that of higher segments. */
  readonly lengthMm: readonly number[];
  /** Mean direction of segment n in degrees from vertical; positive: the upper end is more posterior. */
  readonly direction: readonly number[];
  readonly sacral: { readonly lengthMm: number; readonly direction: number };
  /** Standard deviation of the direction of the first segment, in degrees. */
  readonly tilt: number;
  /** Correlation of the directions of neighbouring segments, and the residual deviation in degrees. */
  readonly persistence: number;
  readonly bend: number;
  /** Standard deviation of the logarithm of the patient's size, and of the ratio of neighbouring lengths. */
  readonly size: number;
  readonly ratio: number;
}

/** Mean length of L1/L2 to L5/S1 between disc centres in mm. */
export const MEAN_PITCH_MM = 36;

export const LUMBAR_SHAPE: SpineShape = {
  pitchMm: MEAN_PITCH_MM,
  lengthMm: [36, 36.5, 36.5, 35.5, 33.5, 30.5, 27, 26],
  direction: [-11, 0.5, 7.5, 12, 12, 10.5, 8, 8],
  sacral: { lengthMm: 31, direction: -16 },
  tilt: 13,
  persistence: 0.6,
  bend: 6,
  size: 0.13,
  ratio: 0.08,
};

/** The lumbar shape with another mean length: points of the canal are closer than disc centres. */
export function shapeOfPitch(pitchMm: number): SpineShape {
  const { lengthMm, sacral } = LUMBAR_SHAPE;
  const factor = pitchMm / MEAN_PITCH_MM;
  return {
    ...LUMBAR_SHAPE,
    pitchMm,
    lengthMm: lengthMm.map((length) => factor * length),
    sacral: { ...sacral, lengthMm: factor * sacral.lengthMm },
  };
}

/** A segment on an image. */
export interface Segment {
  /** Logarithm of the length in mm. */
  readonly logLength: number;
  /** Degrees from vertical; positive: the upper end is more posterior. */
  readonly direction: number;
}

/** Mean segment from disc `from` to disc `to`, which is one or two levels higher. */
export function meanSegment(shape: SpineShape, from: number, to: number): Segment {
  let [x, y] = [0, 0];
  for (let n = from; n < to; n++) {
    const { lengthMm, direction } = n < 0 ? shape.sacral : segmentOf(shape, n);
    const angle = (direction * Math.PI) / 180;
    x += lengthMm * Math.sin(angle);
    y += lengthMm * Math.cos(angle);
  }
  return { logLength: Math.log(Math.hypot(x, y)), direction: (Math.atan2(x, y) * 180) / Math.PI };
}

const segmentOf = ({ lengthMm, direction }: SpineShape, n: number) => ({
  lengthMm: lengthMm[Math.min(n, lengthMm.length - 1)]!,
  direction: direction[Math.min(n, direction.length - 1)]!,
});

/** Fraction of segments that the Gaussian does not describe (listhesis, fracture, scoliosis), and their deviation. */
const OUTLIERS = { fraction: 0.04, factor: 4 };

/** Log density of a deviation under a Gaussian with a few outliers. */
export function logDensity(deviation: number, sigma: number): number {
  const gaussian = (s: number) => Math.exp(-0.5 * (deviation / s) ** 2) / (s * Math.sqrt(2 * Math.PI));
  const { fraction, factor } = OUTLIERS;
  return Math.log((1 - fraction) * gaussian(sigma) + fraction * gaussian(factor * sigma) + 1e-12);
}
