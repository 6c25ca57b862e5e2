/**
 * Robust ranges of intensity: the 0.5th and the 99.5th percentile (nearest rank) of a slice's finite values, by
 * counting, without sorting.
 */

/** What a crop's pixels span. */
export interface IntensityWindow {
  low: number;
  high: number;
}

const LOW = 0.005;
const HIGH = 0.995;

/** The window of `count` values, counted each in its place; the value of a place is at least that of the one before. */
export function windowOfCounts(
  counts: Uint32Array,
  count: number,
  valueAt: (place: number) => number,
): IntensityWindow {
  const at = (share: number) => valueAt(placeOf(counts, 0, rankOf(share, count))[0]);
  return windowOf(at(LOW), at(HIGH));
}

/**
 * The window of any values. A float's bits, those below the sign turned over where it is negative, are an integer that
 * orders as the values do: its upper half is counted first, then the lower half of those values whose upper half holds
 * the rank.
 */
export function intensityWindow(pixels: Float32Array): IntensityWindow {
  const bits = new Int32Array(pixels.buffer, pixels.byteOffset, pixels.length);
  const counts = upperCounts(bits);
  let finite = 0;
  for (let upper = FIRST_FINITE; upper <= LAST_FINITE; upper++) finite += counts[upper]!;
  if (finite === 0) return windowOf(0, 0);
  const [upperLow, rankLow] = placeOf(counts, FIRST_FINITE, rankOf(LOW, finite));
  const [upperHigh, rankHigh] = placeOf(counts, FIRST_FINITE, rankOf(HIGH, finite));
  const [countsLow, countsHigh] = lowerCounts(bits, upperLow, upperHigh);
  const at = (upper: number, lower: Uint32Array, rank: number) =>
    floatOf(((upper - 0x8000) << 16) | placeOf(lower, 0, rank)[0]);
  return windowOf(at(upperLow, countsLow, rankLow), at(upperHigh, countsHigh, rankHigh));
}

/** A constant image gets a range of 1 above its value. */
const windowOf = (low: number, high: number): IntensityWindow => ({ low, high: high > low ? high : low + 1 });

const rankOf = (share: number, count: number): number => Math.round(share * (count - 1));

/** The place of rank `k` (from 0) in counts from `first` on, and its rank among those counted there. */
function placeOf(counts: Uint32Array, first: number, k: number): readonly [place: number, rank: number] {
  let place = first;
  for (; k >= counts[place]!; place++) k -= counts[place]!;
  return [place, k];
}

const HALF = 1 << 16;
/** Upper halves of finite values; minus infinity and negative NaNs are below, the positive ones above. */
const FIRST_FINITE = 0x0080;
const LAST_FINITE = 0xff7f;

const orderOf = (bits: number): number => bits ^ ((bits >> 31) & 0x7fffffff);
const upperOf = (order: number): number => (order >> 16) + 0x8000;

const floatOf = (order: number): number => new Float32Array(Int32Array.of(orderOf(order)).buffer)[0]!;

/** How often each upper half occurs. */
function upperCounts(bits: Int32Array): Uint32Array {
  const counts = new Uint32Array(HALF);
  for (let i = 0; i < bits.length; i++) counts[upperOf(orderOf(bits[i]!))]!++;
  return counts;
}

/** How often each lower half occurs beside either of two upper ones, which may be the same. */
function lowerCounts(bits: Int32Array, one: number, other: number): readonly [Uint32Array, Uint32Array] {
  const counts = new Uint32Array(HALF);
  const others = one === other ? counts : new Uint32Array(HALF);
  for (let i = 0; i < bits.length; i++) {
    const order = orderOf(bits[i]!);
    const upper = upperOf(order);
    if (upper === one) counts[order & 0xffff]!++;
    else if (upper === other) others[order & 0xffff]!++;
  }
  return [counts, others];
}
