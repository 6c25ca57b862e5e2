/**
 * Temperature scaling (Guo et al., "On Calibration of Modern Neural Networks", ICML 2017): p_k becomes p_k^(1/T) / sum_j
 * p_j^(1/T). It is defined on the log-probabilities, so it holds for every head; with a softmax head it divides the logits
 * by T. The largest probability stays the largest, so no predicted grade changes.
 */
import { SpinegradError } from '../error.js';

/** Temperatures of `fitTemperature`. A sample without any error has its optimum at 0. */
export const TEMPERATURES = { min: 0.1, max: 10 } as const;

/** Halvings of the interval of 1 / T: more than a double can resolve. */
const BISECTIONS = 60;

/**
 * The probabilities of one disc at a temperature.
 *
 * @param row probabilities of the grades; they sum to 1
 * @param temperature above 1: less confident; 1: unchanged, with the same bits
 *
 * @example
 * scaleTemperature([0.8, 0.2], 2); // [2 / 3, 1 / 3]
 */
export function scaleTemperature(row: readonly number[], temperature: number): number[] {
  if (temperature === 1) return [...row];
  const logs = row.map((p) => Math.log(p) / temperature);
  const largest = Math.max(...logs);
  const powers = logs.map((log) => Math.exp(log - largest));
  const total = powers.reduce((sum, power) => sum + power, 0);
  return powers.map((power) => power / total);
}

/**
 * The temperature with the smallest mean negative log-likelihood of the true grades, within `TEMPERATURES`. The likelihood
 * is convex in 1 / T, so bisection of its derivative finds the minimum.
 *
 * @param probabilities [discs][grades], of discs that training did not use
 * @param truth grade of each disc
 * @throws SpinegradError ERR_EVALUATION without discs, or for another number of rows than of discs
 *
 * @example
 * fitTemperature([[0.9, 0.1], [0.9, 0.1], [0.9, 0.1]], [0, 0, 1]); // log(9) / log(2) = 3.17
 */
export function fitTemperature(
  probabilities: readonly (readonly number[])[],
  truth: ArrayLike<number>,
): number {
  if (truth.length === 0 || truth.length !== probabilities.length) {
    throw new SpinegradError(
      'ERR_EVALUATION',
      `fitTemperature: found ${probabilities.length} rows and ${truth.length} truth, expected at least one of each per disc`,
    );
  }
  // As in the log loss, a probability of 0 has a finite logarithm.
  const logs = probabilities.map((row) => row.map((p) => Math.log(Math.max(p, Number.EPSILON))));
  /** d (sum of the negative log-likelihoods) / d (1 / T): expected minus true log-probability. */
  const slope = (inverse: number) => {
    let sum = 0;
    for (const [disc, row] of logs.entries()) {
      const largest = Math.max(...row);
      let [total, weighted] = [0, 0];
      for (const log of row) {
        const power = Math.exp((log - largest) * inverse);
        total += power;
        weighted += power * log;
      }
      sum += weighted / total - row[truth[disc]!]!;
    }
    return sum;
  };
  let [low, high] = [1 / TEMPERATURES.max, 1 / TEMPERATURES.min];
  for (let i = 0; i < BISECTIONS; i++) {
    const middle = (low + high) / 2;
    if (slope(middle) > 0) high = middle;
    else low = middle;
  }
  return 2 / (low + high);
}
