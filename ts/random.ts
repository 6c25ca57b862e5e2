/**
 * Random numbers on the host: xoshiro128++ (Blackman and Vigna, "Scrambled linear pseudorandom number generators",
 * 2021), seeded by mixing a path of integers with the finaliser of MurmurHash3. The path identifies the stream, for
 * example (seed, study, purpose) or (seed, epoch), so the same path gives the same bits in any thread and any order.
 * On the device, the engine uses Philox.
 *
 * @example
 * const random = new RandomStream(seed, epoch);
 * const angle = random.uniform(-10, 10);
 */
export class RandomStream {
  #a: number;
  #b: number;
  #c: number;
  #d: number;

  constructor(...path: readonly number[]) {
    let hash = 0x9e3779b9;
    for (const part of path) {
      hash = mix(hash ^ mix((part % 2 ** 32) | 0));
      hash = mix(hash + Math.floor(part / 2 ** 32));
    }
    this.#a = mix(hash + 1);
    this.#b = mix(hash + 2);
    this.#c = mix(hash + 3);
    this.#d = mix(hash + 4) | 1;
  }

  /** 32 random bits, as an unsigned integer. */
  bits(): number {
    const sum = (this.#a + this.#d) | 0;
    const result = (((sum << 7) | (sum >>> 25)) + this.#a) >>> 0;
    const shifted = this.#b << 9;
    this.#c ^= this.#a;
    this.#d ^= this.#b;
    this.#b ^= this.#c;
    this.#a ^= this.#d;
    this.#c ^= shifted;
    this.#d = (this.#d << 11) | (this.#d >>> 21);
    return result;
  }

  /** Uniform on [low, high). */
  uniform(low = 0, high = 1): number {
    return low + ((high - low) * (this.bits() + 0.5)) / 2 ** 32;
  }

  /** Gaussian, by the Box-Muller transform. */
  normal(mean = 0, deviation = 1): number {
    const radius = Math.sqrt(-2 * Math.log(this.uniform()));
    return mean + deviation * radius * Math.cos(2 * Math.PI * this.uniform());
  }

  /** Gaussian, clamped to two standard deviations, so that no value is anatomically impossible. */
  bounded(mean: number, deviation: number): number {
    return mean + deviation * Math.max(-2, Math.min(2, this.normal()));
  }

  chance(probability: number): boolean {
    return this.uniform() < probability;
  }

  pick<T>(values: readonly T[]): T {
    return values[Math.floor(this.uniform() * values.length)]!;
  }

  /** A decimal number of `count` digits without a leading zero, for DICOM UIDs and study ids. */
  digits(count: number): string {
    let text = String(1 + (this.bits() % 9));
    while (text.length < count) text += String(this.bits() % 10);
    return text;
  }
}

function mix(word: number): number {
  let x = word | 0;
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
  return x ^ (x >>> 16);
}
