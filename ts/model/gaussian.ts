/** A multivariate normal distribution with a shrunk covariance, and the distance of a point from it. */
import { SpinegradError } from '../error.js';

/** Values are float32, so that a stored distribution gives the same distances. */
export interface Gaussian {
  /** [features] */
  mean: Float32Array;
  /** Standard deviations, [features]. */
  deviation: Float32Array;
  /** Lower Cholesky factor of the covariance of (x - mean) / deviation, [features, features], row-major. */
  factor: Float32Array;
}

/**
 * Weight of the identity in the correlation matrix. With some hundred rows, the smallest eigenvalues of the sample matrix are
 * mostly noise, and the distance is dominated by them.
 */
const SHRINKAGE = 0.05;

/** Standard deviation of a feature that is constant. */
const MIN_DEVIATION = 1e-6;

/**
 * Fits mean, deviations and correlations; the correlation matrix is shrunk towards the identity.
 *
 * @param rows at least one; all of the same length
 * @throws SpinegradError ERR_ARGUMENT without rows
 *
 * @example
 * const gaussian = fitGaussian([[0, 1], [1, 3], [2, 2]]);
 * mahalanobis(gaussian, [1, 2]); // 0
 */
export function fitGaussian(rows: readonly ArrayLike<number>[]): Gaussian {
  const [first] = rows;
  if (first === undefined) {
    throw new SpinegradError('ERR_ARGUMENT', 'fitGaussian(): rows: expected at least one, found none');
  }
  const features = first.length;
  const average = (value: (row: ArrayLike<number>) => number) =>
    rows.reduce((sum, row) => sum + value(row), 0) / rows.length;
  const mean = Float32Array.from({ length: features }, (_, i) => average((row) => row[i]!));
  const deviation = Float32Array.from({ length: features }, (_, i) =>
    Math.max(MIN_DEVIATION, Math.sqrt(average((row) => (row[i]! - mean[i]!) ** 2))),
  );
  const scaled = rows.map((row) => standardised(row, mean, deviation));
  const covariance = new Float64Array(features * features);
  for (const row of scaled) {
    for (let i = 0; i < features; i++) {
      for (let j = 0; j <= i; j++) covariance[i * features + j]! += (row[i]! * row[j]!) / rows.length;
    }
  }
  for (let i = 0; i < features; i++) {
    for (let j = 0; j < i; j++) covariance[i * features + j]! *= 1 - SHRINKAGE;
    // A constant feature has the variance 0.
    covariance[i * (features + 1)] = (1 - SHRINKAGE) * covariance[i * (features + 1)]! + SHRINKAGE;
  }
  return { mean, deviation, factor: Float32Array.from(cholesky(covariance, features)) };
}

/**
 * The Mahalanobis distance of a row, divided by the root of the number of features: about 1 for rows of the distribution.
 */
export function mahalanobis({ mean, deviation, factor }: Gaussian, row: ArrayLike<number>): number {
  const features = mean.length;
  const scaled = standardised(row, mean, deviation);
  const solved = new Float64Array(features);
  let sum = 0;
  for (let i = 0; i < features; i++) {
    let value = scaled[i]!;
    for (let j = 0; j < i; j++) value -= factor[i * features + j]! * solved[j]!;
    solved[i] = value / factor[i * (features + 1)]!;
    sum += solved[i]! ** 2;
  }
  return Math.sqrt(sum / features);
}

const standardised = (row: ArrayLike<number>, mean: Float32Array, deviation: Float32Array): Float64Array =>
  Float64Array.from(row, (value, i) => (value - mean[i]!) / deviation[i]!);

/** The lower factor of a symmetric positive definite matrix, of which the lower triangle is read. */
function cholesky(matrix: Float64Array, size: number): Float64Array {
  const factor = new Float64Array(size * size);
  for (let i = 0; i < size; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = matrix[i * size + j]!;
      for (let k = 0; k < j; k++) sum -= factor[i * size + k]! * factor[j * size + k]!;
      factor[i * size + j] = i === j ? Math.sqrt(sum) : sum / factor[j * (size + 1)]!;
    }
  }
  return factor;
}
