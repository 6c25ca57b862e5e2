/**
 * Error bound of Winograd's algorithm, computed from its matrices A, G, B (native/cpu/conv/winogradTransforms.h).
 *
 * An output is the sum over p of A[p] (G g)[p] (B' d)[p]. For random images and filters, a product of transformed
 * values has the standard deviation |G[p]| |B[p]|, and n rounding errors have sqrt(n) times that. The output itself
 * has the standard deviation sqrt(taps). The ratio, squared for two dimensions, is the amplification of the error of
 * a direct sum. The gradient of the filter exchanges A and G.
 */
const squaredNorm = (row: readonly number[]): number => row.reduce((sum, value) => sum + value * value, 0);

/** Coefficients of the polynomial with these roots, from the constant term. */
const polynomial = (roots: readonly number[]): number[] =>
  roots.reduce(
    (product, root) =>
      product.concat(0).map((_, power) => (product[power - 1] ?? 0) - root * (product[power] ?? 0)),
    [1],
  );

function amplification(points: readonly number[], outputs: number): number {
  const powers = (p: number, count: number): number[] =>
    Array.from({ length: count }, (_, power) => p ** power);
  const last = (count: number): number[] => [...Array<number>(count - 1).fill(0), 1];
  const others = points.map((p) => points.filter((q) => q !== p));
  const a = [...points.map((p) => powers(p, outputs)), last(outputs)];
  const b = [...others.map(polynomial), polynomial(points)];
  const g = points.map((p, i) =>
    powers(p, 3).map((value) => value / others[i]!.reduce((f, q) => f * (p - q), 1)),
  );
  g.push(last(3));
  const worst = (to: number[][], from: number[][]): number =>
    Math.max(
      ...to[0]!.map((_, k) =>
        to.reduce((sum, row, p) => sum + row[k]! ** 2 * squaredNorm(from[p]!) * squaredNorm(b[p]!), 0),
      ),
    );
  return Math.max(worst(a, g) / 3, worst(g, a) / outputs);
}

const AMPLIFICATION = Math.max(amplification([0, 0.5, -0.5, 1.5, -1.5], 4), amplification([0, 1, -1, 2], 3));

/**
 * Tolerance of a sum over `terms` channels or tiles, in units of float32 rounding. The standard deviation of one
 * rounding is 1 / sqrt(3) units. A value passes six one-sided transforms with up to four roundings each; a sum in order
 * adds terms / 2 roundings of its final size. The worst error is taken as five deviations, the largest value as 2.5.
 */
export const winogradUnits = (terms: number): number =>
  Math.ceil(2 * AMPLIFICATION * Math.sqrt((6 * 4 + terms / 2) / 3));
