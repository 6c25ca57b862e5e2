/**
 * Robust intensity ranges: the 0.5th and the 99.5th percentile (nearest rank) of the finite values of a slice, found in
 * histograms instead of by sorting.
 */

/** A range of modality values. */
export interface IntensityWindow {
  low: number;
  high: number;
}

const LOW = 0.005;
const HIGH = 0.995;

/** The window of `count` values in a histogram. `valueAt` gives the value of a bin and must not decrease. */
export function windowOfHistogram(
  histogram: Uint32Array,
  count: number,
  valueAt: (bin: number) => number,
): IntensityWindow {
  const percentile = (fraction: number) => valueAt(binOfRank(histogram, 0, rankOf(fraction, count))[0]);
  return windowOf(percentile(LOW), percentile(HIGH));
}

/**
 * The window of float values. The bits of a float, all but the sign inverted if it is negative, are an integer in the
 * order of the floats. A first histogram counts the upper 16 bits of all values; a second one counts the lower 16 bits
 * of the values whose upper bits are those of the percentile.
 */
export function intensityWindow(pixels: Float32Array): IntensityWindow {
  const bits = new Int32Array(pixels.buffer, pixels.byteOffset, pixels.length);
  const histogram = upperHistogram(bits);
  let finite = 0;
  for (let upper = FIRST_FINITE; upper <= LAST_FINITE; upper++) finite += histogram[upper]!;
  if (finite === 0) return windowOf(0, 0);
  const [lowUpper, lowRank] = binOfRank(histogram, FIRST_FINITE, rankOf(LOW, finite));
  const [highUpper, highRank] = binOfRank(histogram, FIRST_FINITE, rankOf(HIGH, finite));
  const [lowHistogram, highHistogram] = lowerHistograms(bits, lowUpper, highUpper);
  const percentile = (upper: number, lower: Uint32Array, rank: number) =>
    floatOf(((upper - 0x8000) << 16) | binOfRank(lower, 0, rank)[0]);
  return windowOf(
    percentile(lowUpper, lowHistogram, lowRank),
    percentile(highUpper, highHistogram, highRank),
  );
}

/** The window of a constant image has a width of 1. */
const windowOf = (low: number, high: number): IntensityWindow => ({ low, high: high > low ? high : low + 1 });

const rankOf = (fraction: number, count: number): number => Math.round(fraction * (count - 1));

/** The bin that contains the value of `rank` (from 0, counted from the bin `first`), and the rank in that bin. */
function binOfRank(
  histogram: Uint32Array,
  first: number,
  rank: number,
): readonly [bin: number, rank: number] {
  let bin = first;
  for (; rank >= histogram[bin]!; bin++) rank -= histogram[bin]!;
  return [bin, rank];
}

const HALF = 1 << 16;
/** Upper 16 bits of finite values. Smaller ones are -infinity and negative NaNs, larger ones +infinity and NaNs. */
const FIRST_FINITE = 0x0080;
const LAST_FINITE = 0xff7f;

const orderOf = (bits: number): number => bits ^ ((bits >> 31) & 0x7fffffff);
const upperOf = (order: number): number => (order >> 16) + 0x8000;

const floatOf = (order: number): number => new Float32Array(Int32Array.of(orderOf(order)).buffer)[0]!;

/** Histogram of the upper 16 bits. */
function upperHistogram(bits: Int32Array): Uint32Array {
  const histogram = new Uint32Array(HALF);
  for (let i = 0; i < bits.length; i++) histogram[upperOf(orderOf(bits[i]!))]!++;
  return histogram;
}

/** Histograms of the lower 16 bits of the values with the upper bits `a` and `b`, which may be equal. */
function lowerHistograms(bits: Int32Array, a: number, b: number): readonly [Uint32Array, Uint32Array] {
  const histogramA = new Uint32Array(HALF);
  const histogramB = a === b ? histogramA : new Uint32Array(HALF);
  for (let i = 0; i < bits.length; i++) {
    const order = orderOf(bits[i]!);
    const upper = upperOf(order);
    if (upper === a) histogramA[order & 0xffff]!++;
    else if (upper === b) histogramB[order & 0xffff]!++;
  }
  return [histogramA, histogramB];
}
