/** Local maxima of a probability map. */

export interface Peak {
  /** Position in pixels of the map, with sub-pixel accuracy. */
  readonly x: number;
  readonly y: number;
  /** Value of the map at the maximum. */
  readonly value: number;
}

/** A map of probabilities, row-major [height, width]. */
export interface ProbabilityMap {
  readonly width: number;
  readonly height: number;
  readonly values: Float32Array;
}

/** Smallest value whose logarithm is used in the sub-pixel fit. */
const FLOOR = 1e-6;

/**
 * Finds local maxima, the largest first. A maximum is larger than its eight neighbours; of equal neighbours, the first
 * in memory is the maximum. The sub-pixel position is the vertex of a parabola through the logarithms of the maximum and
 * its two neighbours in each direction, which is exact for a Gaussian.
 *
 * @param threshold minimum value
 * @param limit maximum number of maxima
 *
 * @example
 * findPeaks({ width: 128, height: 128, values }, 0.1, 24)[0]; // { x: 63.7, y: 98.2, value: 0.93 }
 */
export function findPeaks(
  { width, height, values }: ProbabilityMap,
  threshold: number,
  limit: number,
): Peak[] {
  const at = (x: number, y: number) =>
    x < 0 || y < 0 || x >= width || y >= height ? Number.NEGATIVE_INFINITY : values[y * width + x]!;
  const peaks: Peak[] = [];
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const value = values[y * width + x]!;
      if (!(value >= threshold) || !isMaximum(at, x, y, value)) continue;
      peaks.push({
        x: x + vertex(at(x - 1, y), value, at(x + 1, y)),
        y: y + vertex(at(x, y - 1), value, at(x, y + 1)),
        value,
      });
    }
  }
  return peaks.sort((a, b) => b.value - a.value).slice(0, limit);
}

function isMaximum(at: (x: number, y: number) => number, x: number, y: number, value: number): boolean {
  for (let dy = -1; dy <= 1; dy++) {
    for (let dx = -1; dx <= 1; dx++) {
      if (dx === 0 && dy === 0) continue;
      const precedes = dy < 0 || (dy === 0 && dx < 0);
      const neighbour = at(x + dx, y + dy);
      if (precedes ? neighbour >= value : neighbour > value) return false;
    }
  }
  return true;
}

/** Offset of the maximum of a parabola through three logarithms; 0 at the border of the map. */
function vertex(before: number, centre: number, after: number): number {
  if (before === Number.NEGATIVE_INFINITY || after === Number.NEGATIVE_INFINITY) return 0;
  const [a, b, c] = [before, centre, after].map((value) => Math.log(Math.max(value, FLOOR))) as [
    number,
    number,
    number,
  ];
  const curvature = a - 2 * b + c;
  return curvature < 0 ? Math.min(0.5, Math.max(-0.5, (a - c) / (2 * curvature))) : 0;
}

/** Maximum of the map within `radius` pixels of a point. */
export function maximumNear(
  { width, height, values }: ProbabilityMap,
  { x, y }: Peak,
  radius: number,
): number {
  let maximum = 0;
  for (let v = Math.max(0, Math.ceil(y - radius)); v <= Math.min(height - 1, y + radius); v++) {
    for (let u = Math.max(0, Math.ceil(x - radius)); u <= Math.min(width - 1, x + radius); u++) {
      if (Math.hypot(u - x, v - y) <= radius) maximum = Math.max(maximum, values[v * width + u]!);
    }
  }
  return maximum;
}
