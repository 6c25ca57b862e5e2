/** Curves in the sagittal plane: an interpolating function, and a path with curvilinear coordinates. */

/** Catmull-Rom interpolation of (x, value) pairs with ascending x; constant outside. */
export function smoothFunction(
  points: readonly (readonly [x: number, value: number])[],
): (x: number) => number {
  const count = points.length;
  const slope = points.map((_, i) => {
    const previous = points[Math.max(0, i - 1)]!;
    const next = points[Math.min(count - 1, i + 1)]!;
    return (next[1] - previous[1]) / (next[0] - previous[0]);
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
 * A path from superior to inferior, sampled every 0.5 mm. A point near it has the coordinates s, the arc length from
 * the top in mm, and t, the distance from the path in mm, positive posteriorly.
 */
export class Path {
  readonly length: number;
  readonly #y: number[] = [];
  readonly #z: number[] = [];
  /** s of the last `locate`. */
  s = 0;
  /** t of the last `locate`. */
  t = 0;

  /** `y` is the path as a function of z, from `zTop` down to `zBottom`. */
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

  /** Sets `s` and `t` to the coordinates of (y, z), by repeated projection onto the tangent from s = `guess`. */
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

  /** The point (y, z) with the coordinates (s, t). */
  point(s: number, t: number): readonly [y: number, z: number] {
    const i = Math.max(1, Math.min(this.#y.length - 2, Math.round(s / STEP)));
    const ty = (this.#y[i + 1]! - this.#y[i - 1]!) / (2 * STEP);
    const tz = (this.#z[i + 1]! - this.#z[i - 1]!) / (2 * STEP);
    const along = s - i * STEP;
    return [this.#y[i]! + along * ty - t * tz, this.#z[i]! + along * tz + t * ty];
  }

  /** s of the path at height z; an initial guess for `locate`. */
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
