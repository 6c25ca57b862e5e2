import type { RandomStream } from '../random.js';

const SIZE = 256;
const MASK = SIZE - 1;

/**
 * Smooth periodic noise with mean 0 and standard deviation 1, for marrow, muscle, fat and bowel: filtered white noise
 * with smooth interpolation, so that no grid is visible. A study has one table; callers shift and scale the
 * coordinates.
 */
export class Texture {
  readonly #table = new Float32Array(SIZE * SIZE);

  constructor(random: RandomStream) {
    const white = new Float32Array(SIZE * SIZE);
    for (let i = 0; i < white.length; i++) white[i] = random.uniform(-1, 1);
    let power = 0;
    for (let row = 0; row < SIZE; row++) {
      for (let column = 0; column < SIZE; column++) {
        let sum = 0;
        for (let dr = -1; dr <= 1; dr++) {
          for (let dc = -1; dc <= 1; dc++) {
            const weight = (2 - Math.abs(dr)) * (2 - Math.abs(dc));
            sum += weight * white[((row + dr) & MASK) * SIZE + ((column + dc) & MASK)]!;
          }
        }
        this.#table[row * SIZE + column] = sum;
        power += sum * sum;
      }
    }
    const scale = 1 / Math.sqrt(power / this.#table.length);
    for (let i = 0; i < this.#table.length; i++) this.#table[i]! *= scale;
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

function ease(t: number): number {
  return t * t * (3 - 2 * t);
}
