/**
 * Two percentiles of float32 values by counting, without sorting. Whole numbers below 65,536, which most images hold,
 * are counted as they are, in one pass. Of others, two passes count the bits: those below the sign turned over where
 * it is negative, a float's bits are an integer that orders as the values do. Its upper half is counted first, then the
 * lower half of those values whose upper half holds the rank.
 */

const HALF = 1 << 16;
/** Upper halves of finite values; minus infinity and negative NaNs are below, the positive ones above. */
const FIRST_FINITE = 0x0080;
const LAST_FINITE = 0xff7f;

/** Two percentiles (0 to 1, nearest rank) of the finite values; null where there are none. */
export function percentiles(values: Float32Array, low: number, high: number): [number, number] | null {
  const counts = wholeCounts(values);
  if (counts === null) return percentilesOfBits(values, low, high);
  if (values.length === 0) return null;
  const at = (share: number) => placeOf(counts, 0, rankOf(share, values.length))[0];
  return [at(low), at(high)];
}

const rankOf = (share: number, count: number): number => Math.round(share * (count - 1));

/** The place of rank `k` (from 0) in counts from `first` on, and its rank among those counted there. */
function placeOf(counts: Uint32Array, first: number, k: number): readonly [place: number, rank: number] {
  let place = first;
  for (; k >= counts[place]!; place++) k -= counts[place]!;
  return [place, k];
}

/** How often each whole number occurs; null where there is anything else. */
function wholeCounts(values: Float32Array): Uint32Array | null {
  const counts = new Uint32Array(HALF);
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    const whole = value & 0xffff;
    if (whole !== value) return null;
    counts[whole]!++;
  }
  return counts;
}

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

function percentilesOfBits(values: Float32Array, low: number, high: number): [number, number] | null {
  const bits = new Int32Array(values.buffer, values.byteOffset, values.length);
  const counts = upperCounts(bits);
  let finite = 0;
  for (let upper = FIRST_FINITE; upper <= LAST_FINITE; upper++) finite += counts[upper]!;
  if (finite === 0) return null;
  const [upperLow, rankLow] = placeOf(counts, FIRST_FINITE, rankOf(low, finite));
  const [upperHigh, rankHigh] = placeOf(counts, FIRST_FINITE, rankOf(high, finite));
  const [countsLow, countsHigh] = lowerCounts(bits, upperLow, upperHigh);
  const at = (upper: number, lower: Uint32Array, rank: number) =>
    floatOf(((upper - 0x8000) << 16) | placeOf(lower, 0, rank)[0]);
  return [at(upperLow, countsLow, rankLow), at(upperHigh, countsHigh, rankHigh)];
}
