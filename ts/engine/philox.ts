/**
 * Philox4x32-10 (Salmon et al., SC 2011), the generator of native/engine/philox.h, for what the host must know of the
 * device's random numbers (where an augmented view was cut) and for its own reproducible choices.
 */

/** The second word of a stream's key. As `Purpose` in native/engine/philox.h; never reused. */
export const PURPOSE = { dropout: 1, augmentView: 2, augmentNoise: 3 } as const;

/** Upper word of the 64-bit product of two 32-bit words. */
function mulHigh(a: number, b: number): number {
  const aLow = a & 0xffff;
  const aHigh = a >>> 16;
  const bLow = b & 0xffff;
  const bHigh = b >>> 16;
  const middle = aHigh * bLow + ((aLow * bLow) >>> 16);
  const cross = aLow * bHigh + (middle % 0x10000);
  return (aHigh * bHigh + Math.floor(middle / 0x10000) + Math.floor(cross / 0x10000)) >>> 0;
}

/** Block `counter` of the stream `key`: four random 32-bit words. */
export function philox(
  key: readonly [number, number],
  counter: readonly [number, number, number, number],
): [number, number, number, number] {
  let [k0, k1] = key;
  let [c0, c1, c2, c3] = counter;
  for (let round = 0; round < 10; round++) {
    const high0 = mulHigh(0xd2511f53, c0);
    const high1 = mulHigh(0xcd9e8d57, c2);
    const low0 = Math.imul(0xd2511f53, c0) >>> 0;
    const low1 = Math.imul(0xcd9e8d57, c2) >>> 0;
    [c0, c1, c2, c3] = [(high1 ^ c1 ^ k0) >>> 0, low1, (high0 ^ c3 ^ k1) >>> 0, low0];
    k0 = (k0 + 0x9e3779b9) >>> 0;
    k1 = (k1 + 0xbb67ae85) >>> 0;
  }
  return [c0, c1, c2, c3];
}

/** Uniform in [0, 1): the upper 24 bits of a word. */
export const uniform = (word: number): number => (word >>> 8) / 2 ** 24;
