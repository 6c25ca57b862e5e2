/**
 * Histograms of values up to 16 bits. Each thread has one buffer, because to allocate a histogram for every image would
 * take longer than to count. A histogram is valid until the next call of a function of this file.
 */

/** Interleaved sub-histograms, used in turn, so that equal neighbours do not wait for each other's store. */
const LANES = 4;
const buffer = new Uint32Array(LANES << 16);
/** Length of the prefix of `buffer` that is in use. */
let used = 0;

/** A histogram of `bins` zeros. */
export function emptyHistogram(bins: number): Uint32Array {
  buffer.fill(0, 0, used);
  used = bins;
  return buffer.subarray(0, bins);
}

/** The number of occurrences of each value. The number of bins is the smallest power of two above all values. */
export function histogramOf(values: Uint8Array | Uint16Array): Uint32Array {
  buffer.fill(0, 0, used);
  let bits = 0;
  const end = values.length - (values.length % LANES);
  for (let i = 0; i < end; i += LANES) {
    const [a, b, c, d] = [values[i]!, values[i + 1]!, values[i + 2]!, values[i + 3]!];
    bits |= a | b | c | d;
    buffer[LANES * a]!++;
    buffer[LANES * b + 1]!++;
    buffer[LANES * c + 2]!++;
    buffer[LANES * d + 3]!++;
  }
  for (const value of values.subarray(end)) {
    bits |= value;
    buffer[LANES * value]!++;
  }
  const bins = 2 ** (32 - Math.clz32(bits));
  used = LANES * bins;
  for (let value = 0; value < bins; value++) {
    const lane = LANES * value;
    buffer[value] = buffer[lane]! + buffer[lane + 1]! + buffer[lane + 2]! + buffer[lane + 3]!;
  }
  return buffer.subarray(0, bins);
}
