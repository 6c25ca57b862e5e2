/**
 * A canvas in millimetres. Anatomy is painted back to front, shape over shape. A shape is a depth function (mm
 * below its surface, negative outside) and a signal; at an edge the pixel mixes by the share the shape covers,
 * which is what partial volume does within the plane.
 */

/** A plane sampled on square pixels. Column j lies at y0 + j*step (to the back), row i at z0 - i*step (downward). */
export interface Grid {
  readonly columns: number;
  readonly rows: number;
  readonly y0: number;
  readonly z0: number;
  /** mm */
  readonly step: number;
}

/** Rectangle in mm. */
export interface Bounds {
  readonly yMin: number;
  readonly yMax: number;
  readonly zMin: number;
  readonly zMax: number;
}

export interface Shape {
  readonly bounds: Bounds;
  /** Depth in mm below the surface at (y, z); negative outside. */
  depth(y: number, z: number): number;
  /** Brightness at the point that `depth` was last asked for. */
  signal(y: number, z: number, depth: number): number;
  /** Share of the slice's thickness that the shape fills, 0..1. */
  readonly opacity?: number;
}

export class Canvas {
  readonly values: Float32Array;

  constructor(readonly grid: Grid) {
    this.values = new Float32Array(grid.columns * grid.rows);
  }

  paint(shape: Shape): void {
    const { columns, rows, y0, z0, step } = this.grid;
    const { bounds } = shape;
    const opacity = shape.opacity ?? 1;
    if (opacity <= 0) return;
    const left = Math.max(0, Math.floor((bounds.yMin - y0) / step));
    const right = Math.min(columns - 1, Math.ceil((bounds.yMax - y0) / step));
    const top = Math.max(0, Math.floor((z0 - bounds.zMax) / step));
    const bottom = Math.min(rows - 1, Math.ceil((z0 - bounds.zMin) / step));
    for (let row = top; row <= bottom; row++) {
      const z = z0 - row * step;
      for (let column = left; column <= right; column++) {
        const y = y0 + column * step;
        const depth = shape.depth(y, z);
        const cover = depth / step + 0.5;
        if (cover <= 0) continue;
        const index = row * columns + column;
        const alpha = Math.min(cover, 1) * opacity;
        this.values[index]! += alpha * (shape.signal(y, z, depth) - this.values[index]!);
      }
    }
  }
}

/** Rises smoothly from 0 at `low` to 1 at `high`. */
export function smoothStep(low: number, high: number, x: number): number {
  const t = Math.max(0, Math.min(1, (x - low) / (high - low)));
  return t * t * (3 - 2 * t);
}

/** Bell of height 1 and standard deviation 1. */
export function bell(x: number): number {
  return Math.exp(-0.5 * x * x);
}

/** Depth below the surface of a box of half sides a and b with corners of radius r, at (p, q) from its centre. */
export function roundedBoxDepth(p: number, q: number, a: number, b: number, r: number): number {
  const dp = Math.abs(p) - a + r;
  const dq = Math.abs(q) - b + r;
  if (dp <= 0 || dq <= 0) return r - Math.max(dp, dq);
  return r - Math.sqrt(dp * dp + dq * dq);
}

/** Depth (approximate, exact at the surface's normal) below an ellipse of half axes a and b. */
export function ellipseDepth(p: number, q: number, a: number, b: number): number {
  const scaled = Math.sqrt((p / a) ** 2 + (q / b) ** 2);
  return (1 - scaled) * Math.min(a, b);
}
