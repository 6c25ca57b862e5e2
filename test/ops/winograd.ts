/**
 * What Winograd's algorithm makes of rounding errors, from its matrices A, G, B (native/cpu/conv/winogradTransforms.h).
 *
 * An output is sum over p of A[p] (G g)[p] (B' d)[p]. For random images and filters a product of transformed values
 * deviates by |G[p]| |B[p]|, its rounding errors by as much times their number's root, while the output deviates by
 * the root of the number of taps. Squared for two dimensions, that is how many times larger errors are than those of
 * the sum itself. The filter's gradient is the same with A and G exchanged.
 */
const norm = (row: readonly number[]): number => row.reduce((sum, value) => sum + value * value, 0);

/** Coefficients of the product of x - root. */
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
        to.reduce((sum, row, p) => sum + row[k]! ** 2 * norm(from[p]!) * norm(b[p]!), 0),
      ),
    );
  return Math.max(worst(a, g) / 3, worst(g, a) / outputs);
}

const AMPLIFICATION = Math.max(amplification([0, 0.5, -0.5, 1.5, -1.5], 4), amplification([0, 1, -1, 2], 3));

/**
 * The tolerance of a sum over `terms` channels or tiles, in units of float32 rounding. A rounding deviates by 1 / sqrt 3
 * units; a value has gone through six one-sided transforms of at most four roundings, and a sum in order rounds its
 * final size half as often as it has terms. The worst error is taken for five deviations, the largest value for 2.5.
 */
export const winogradUnits = (terms: number): number =>
  Math.ceil(2 * AMPLIFICATION * Math.sqrt((6 * 4 + terms / 2) / 3));
