/** Calibration: does a grade that is predicted with probability p occur in the fraction p of the cases? */
import { argmax } from './metrics.js';

/** Bins of the expected calibration error and of the reliability diagram. */
export const CALIBRATION_BINS = 15;

/** The discs of one bin of confidence, as sums. */
export interface CalibrationBin {
  /** Number of discs, or the sum of their weights. */
  count: number;
  /** Sum of the confidence, the largest probability. */
  confidence: number;
  /** Number of discs that were predicted correctly. */
  correct: number;
}

/** The discs in bins of equal width over the confidence; a bin is (lower, upper]. */
export function calibrationBins(
  probabilities: readonly (readonly number[])[],
  truth: ArrayLike<number>,
  weights?: ArrayLike<number>,
): CalibrationBin[] {
  const bins = Array.from({ length: CALIBRATION_BINS }, () => ({ count: 0, confidence: 0, correct: 0 }));
  for (let i = 0; i < probabilities.length; i++) {
    const row = probabilities[i]!;
    const weight = weights?.[i] ?? 1;
    const predicted = argmax(row);
    const confidence = row[predicted]!;
    const index = Math.min(CALIBRATION_BINS, Math.max(1, Math.ceil(confidence * CALIBRATION_BINS))) - 1;
    const bin = bins[index]!;
    bin.count += weight;
    bin.confidence += weight * confidence;
    if (predicted === truth[i]) bin.correct += weight;
  }
  return bins;
}

/**
 * Expected calibration error (Guo et al., ICML 2017): the mean difference between confidence and accuracy over 15 bins
 * of equal width, (lower, upper], weighted by their size. Confidence is the largest probability.
 */
export function expectedCalibrationError(
  probabilities: readonly (readonly number[])[],
  truth: ArrayLike<number>,
  weights?: ArrayLike<number>,
): number {
  const bins = calibrationBins(probabilities, truth, weights);
  const total = bins.reduce((sum, { count }) => sum + count, 0);
  return bins.reduce((error, { correct, confidence }) => error + Math.abs(correct - confidence), 0) / total;
}
