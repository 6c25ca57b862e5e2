/**
 * Holm's step-down correction (Holm, Scand. J. Stat. 1979): the p-values in ascending order are multiplied by m, m - 1, …,
 * 1, are at least as large as their predecessors and at most 1. It controls the probability of any false rejection among
 * the m tests, whatever their dependence.
 *
 * @param pValues null: not tested; it stays null and does not count
 *
 * @example
 * holm([0.01, 0.04, 0.03]); // [0.03, 0.06, 0.06]
 */
export function holm(pValues: readonly (number | null)[]): (number | null)[] {
  const tested = pValues.flatMap((p, index) => (p === null ? [] : [{ p, index }]));
  tested.sort((a, b) => a.p - b.p);
  const corrected = pValues.map((): number | null => null);
  let largest = 0;
  for (const [rank, { p, index }] of tested.entries()) {
    largest = Math.max(largest, Math.min(1, (tested.length - rank) * p));
    corrected[index] = largest;
  }
  return corrected;
}
