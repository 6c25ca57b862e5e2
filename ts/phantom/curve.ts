/** Curves in the sagittal plane: a smooth function through given points, and a path with coordinates along it. */

/** Smooth interpolation (Catmull and Rom) of (x, value) pairs, x ascending; constant beyond the ends. */
export function smoothFunction(
  points: readonly (readonly [x: number, value: number])[],
): (x: number) => number {
  const count = points.length;
  const slope = points.map((_, i) => {
    const before = points[Math.max(0, i - 1)]!;
    const after = points[Math.min(count - 1, i + 1)]!;
    return (after[1] - before[1]) / (after[0] - before[0]);
  });
  return (x) => {
    if (x <= points[0]![0]) return points[0]![1];
    if (x >= points[count - 1]![0]) return points[count - 1]![1];
    let i = 0;
    while (x > points[i + 1]![0]) i++;
    const [x0, v0] = points[i]!;
    const [x1, v1] = points[i + 1]!;
    const width = x1 - x0;
    const t = (x - x0) / width;
    const t2 = t * t;
    const t3 = t2 * t;
    return (
      v0 * (2 * t3 - 3 * t2 + 1) +
      v1 * (3 * t2 - 2 * t3) +
      width * (slope[i]! * (t3 - 2 * t2 + t) + slope[i + 1]! * (t3 - t2))
    );
  };
}

const STEP = 0.5;

/**
 * A path that runs downward, sampled every half millimetre. A point near it has coordinates s (mm along the path
 * from its top) and t (mm to the back of it).
 */
export class Path {
  readonly length: number;
  readonly #y: number[] = [];
  readonly #z: number[] = [];
  /** s of `locate`'s last answer. */
  s = 0;
  /** t of `locate`'s last answer. */
  t = 0;

  /** `y` gives the path's y for a z between `zTop` and `zBottom`. */
  constructor(y: (z: number) => number, zTop: number, zBottom: number) {
    let z = zTop;
    while (z > zBottom) {
      this.#y.push(y(z));
      this.#z.push(z);
      const slope = (y(z + 0.1) - y(z - 0.1)) / 0.2;
      z -= STEP / Math.hypot(1, slope);
    }
    this.length = (this.#y.length - 1) * STEP;
  }

  /** Sets `s` and `t` of the point (y, z), starting the search at the path's point nearest to `guess`. */
  locate(y: number, z: number, guess: number): void {
    let s = guess;
    for (let iteration = 0; iteration < 4; iteration++) {
      const i = Math.max(1, Math.min(this.#y.length - 2, Math.round(s / STEP)));
      const ty = (this.#y[i + 1]! - this.#y[i - 1]!) / (2 * STEP);
      const tz = (this.#z[i + 1]! - this.#z[i - 1]!) / (2 * STEP);
      const dy = y - this.#y[i]!;
      const dz = z - this.#z[i]!;
      const along = dy * ty + dz * tz;
      this.t = -dy * tz + dz * ty;
      s = i * STEP + along;
      if (Math.abs(along) < STEP) break;
    }
    this.s = s;
  }

  /** The point at (s, t). */
  point(s: number, t: number): readonly [y: number, z: number] {
    const i = Math.max(1, Math.min(this.#y.length - 2, Math.round(s / STEP)));
    const ty = (this.#y[i + 1]! - this.#y[i - 1]!) / (2 * STEP);
    const tz = (this.#z[i + 1]! - this.#z[i - 1]!) / (2 * STEP);
    const along = s - i * STEP;
    return [this.#y[i]! + along * ty - t * tz, this.#z[i]! + along * tz + t * ty];
  }

  /** s of the path's point at height z: a first guess for `locate`. */
  sAtHeight(z: number): number {
    let low = 0;
    let high = this.#z.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#z[middle]! > z) low = middle + 1;
      else high = middle;
    }
    return low * STEP;
  }
}
