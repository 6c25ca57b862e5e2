/**
 * A canvas in millimetres. Shapes are painted one over the other. A shape has a frame (p points posteriorly, q
 * superiorly), a signed distance function (mm below its surface, negative outside) and a signal. A pixel at an edge
 * mixes the signals by the covered fraction, which models the partial volume effect in the plane.
 */

/** A plane sampled on square pixels. Column j is at y0 + j*step (posteriorly), row i at z0 - i*step (inferiorly). */
export interface Grid {
  readonly columns: number;
  readonly rows: number;
  readonly y0: number;
  readonly z0: number;
  /** mm */
  readonly step: number;
}

/** Origin and axes in the sagittal plane. `angle` is the anterior tilt of the q axis, radians. */
export interface Frame {
  readonly y: number;
  readonly z: number;
  readonly angle: number;
}

/** A rectangle in a frame, mm. */
export interface Box {
  readonly pMin: number;
  readonly pMax: number;
  readonly qMin: number;
  readonly qMax: number;
}

export interface Shape {
  readonly frame: Frame;
  /** Bounding box; `depth` is not evaluated outside. */
  readonly box: Box;
  /** Distance below the surface in mm; negative outside. */
  depth(p: number, q: number): number;
  /** Signal at a point with this depth. */
  signal(p: number, q: number, depth: number): number;
  /** Fraction of the slice thickness that the shape fills, 0 to 1; default 1. */
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
        const coverage = depth / step + 0.5;
        if (coverage <= 0) continue;
        const index = row * columns + column;
        const alpha = Math.min(coverage, 1) * opacity;
        this.values[index]! += alpha * (shape.signal(p, q, depth) - this.values[index]!);
      }
    }
  }
}

/** The smoothstep function: 0 at `low`, 1 at `high`. */
export function smoothStep(low: number, high: number, x: number): number {
  const t = Math.max(0, Math.min(1, (x - low) / (high - low)));
  return t * t * (3 - 2 * t);
}

/** Approximates exp(-x*x/2) by a polynomial that is 0 outside of +-4. */
export function bell(x: number): number {
  const a = Math.max(0, 1 - (x * x) / 16);
  const b = a * a;
  return b * b * b * b;
}

/** Depth at (p, q) in a box with half sides a and b and corners of radius r, centred at the origin. */
export function roundedBoxDepth(p: number, q: number, a: number, b: number, r: number): number {
  const dp = Math.abs(p) - a + r;
  const dq = Math.abs(q) - b + r;
  if (dp <= 0 || dq <= 0) return r - Math.max(dp, dq);
  return r - Math.sqrt(dp * dp + dq * dq);
}

/** Approximate depth at (p, q) in an ellipse with half axes a and b, centred at the origin. */
export function ellipseDepth(p: number, q: number, a: number, b: number): number {
  const scaled = Math.sqrt((p / a) ** 2 + (q / b) ** 2);
  return (1 - scaled) * Math.min(a, b);
}
