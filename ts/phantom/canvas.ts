/**
 * A canvas in millimetres. Anatomy is painted back to front, shape over shape. A shape lives in a frame of its own, p to
 * the back and q upward from the frame's origin; it is a depth function (mm below its surface, negative outside) and a
 * signal. At an edge the pixel mixes by the share the shape covers, which is what partial volume does within the plane.
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

/** Axes in the sagittal plane: `angle` is how far the upward one leans to the front, radians. */
export interface Frame {
  readonly y: number;
  readonly z: number;
  readonly angle: number;
}

/** Rectangle in a frame, mm. */
export interface Box {
  readonly pMin: number;
  readonly pMax: number;
  readonly qMin: number;
  readonly qMax: number;
}

export interface Shape {
  readonly frame: Frame;
  /** The shape has no depth outside. */
  readonly box: Box;
  /** Depth in mm below the surface; negative outside. */
  depth(p: number, q: number): number;
  /** Brightness at a point of this depth. */
  signal(p: number, q: number, depth: number): number;
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
    const { frame, box, opacity = 1 } = shape;
    if (opacity <= 0) return;
    const cos = Math.cos(frame.angle);
    const sin = Math.sin(frame.angle);
    const corners = [box.pMin, box.pMax].flatMap((p) =>
      [box.qMin, box.qMax].map((q) => [frame.y + p * cos - q * sin, frame.z + p * sin + q * cos] as const),
    );
    const ys = corners.map(([y]) => y);
    const zs = corners.map(([, z]) => z);
    const left = Math.max(0, Math.floor((Math.min(...ys) - y0) / step));
    const right = Math.min(columns - 1, Math.ceil((Math.max(...ys) - y0) / step));
    const top = Math.max(0, Math.floor((z0 - Math.max(...zs)) / step));
    const bottom = Math.min(rows - 1, Math.ceil((z0 - Math.min(...zs)) / step));
    for (let row = top; row <= bottom; row++) {
      const z = z0 - row * step - frame.z;
      for (let column = left; column <= right; column++) {
        const y = y0 + column * step - frame.y;
        const p = y * cos + z * sin;
        const q = z * cos - y * sin;
        const depth = shape.depth(p, q);
        const cover = depth / step + 0.5;
        if (cover <= 0) continue;
        const index = row * columns + column;
        const alpha = Math.min(cover, 1) * opacity;
        this.values[index]! += alpha * (shape.signal(p, q, depth) - this.values[index]!);
      }
    }
  }
}

/** Rises smoothly from 0 at `low` to 1 at `high`. */
export function smoothStep(low: number, high: number, x: number): number {
  const t = Math.max(0, Math.min(1, (x - low) / (high - low)));
  return t * t * (3 - 2 * t);
}

/** Bell of height 1 and standard deviation about 1 that ends at +-4: exp(-x*x/2) without the exponential. */
export function bell(x: number): number {
  const a = Math.max(0, 1 - (x * x) / 16);
  const b = a * a;
  return b * b * b * b;
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
