/**
 * Counts of values below 65,536, in memory that each thread keeps: new memory for every image would take longer to come
 * than the counting.
 */

/** A value that follows itself would wait for its count to be stored; four counts of each value, taken in turn, do not. */
const LANES = 4;
const kept = new Uint32Array(LANES << 16);
let used = 0;

/** So many counts of 0; they are lost with the next call of a function of this file. */
export function zeroCounts(places: number): Uint32Array {
  kept.fill(0, 0, used);
  used = places;
  return kept.subarray(0, places);
}

/**
 * How often each value occurs, up to the last value of as many bits as the values take; lost with the next call of a
 * function of this file.
 */
export function countsOf(values: Uint8Array | Uint16Array): Uint32Array {
  kept.fill(0, 0, used);
  let bits = 0;
  const whole = values.length - (values.length % LANES);
  for (let i = 0; i < whole; i += LANES) {
    const [a, b, c, d] = [values[i]!, values[i + 1]!, values[i + 2]!, values[i + 3]!];
    bits |= a | b | c | d;
    kept[LANES * a]!++;
    kept[LANES * b + 1]!++;
    kept[LANES * c + 2]!++;
    kept[LANES * d + 3]!++;
  }
  for (const value of values.subarray(whole)) {
    bits |= value;
    kept[LANES * value]!++;
  }
  const places = 2 ** (32 - Math.clz32(bits));
  used = LANES * places;
  for (let value = 0; value < places; value++) {
    const lane = LANES * value;
    kept[value] = kept[lane]! + kept[lane + 1]! + kept[lane + 2]! + kept[lane + 3]!;
  }
  return kept.subarray(0, places);
}
