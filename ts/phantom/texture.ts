import type { RandomStream } from '../random.js';

const SIZE = 256;
const MASK = SIZE - 1;

/**
 * Smooth periodic noise with mean 0 and standard deviation 1, for marrow, muscle, fat and bowel: filtered white noise
 * with smooth interpolation, so that no grid is visible. A study has one table; callers shift and scale the
 * coordinates.
 */
export class Texture {
  readonly #table: Float32Array;

  constructor(random: RandomStream) {
    const white = new Float32Array(SIZE * SIZE);
    for (let i = 0; i < white.length; i++) white[i] = random.uniform(-1, 1);
    const table = smoothed(smoothed(white, 1), SIZE);
    let power = 0;
    for (let i = 0; i < table.length; i++) power += table[i]! * table[i]!;
    const scale = 1 / Math.sqrt(power / table.length);
    for (let i = 0; i < table.length; i++) table[i]! *= scale;
    this.#table = table;
  }

  /** The noise at (a, b). Its grains are about two units wide. */
  at(a: number, b: number): number {
    const a0 = Math.floor(a);
    const b0 = Math.floor(b);
    const fa = ease(a - a0);
    const fb = ease(b - b0);
    const row0 = (b0 & MASK) * SIZE;
    const row1 = ((b0 + 1) & MASK) * SIZE;
    const c0 = a0 & MASK;
    const c1 = (a0 + 1) & MASK;
    const top = this.#table[row0 + c0]! * (1 - fa) + this.#table[row0 + c1]! * fa;
    const bottom = this.#table[row1 + c0]! * (1 - fa) + this.#table[row1 + c1]! * fa;
    return top * (1 - fb) + bottom * fb;
  }
}

/** The periodic table, filtered with the weights 1, 2, 1 along rows (stride 1) or columns (stride SIZE). */
function smoothed(source: Float32Array, stride: number): Float32Array {
  const mask = stride * MASK;
  return source.map((value, i) => {
    const rest = i & ~mask;
    return 2 * value + source[rest | ((i - stride) & mask)]! + source[rest | ((i + stride) & mask)]!;
  });
}

function ease(t: number): number {
  return t * t * (3 - 2 * t);
}
