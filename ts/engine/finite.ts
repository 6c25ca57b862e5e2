/** Checks that values are finite numbers: weights, logits, probabilities. */
import { SpinegradError } from '../error.js';

/** Index of the first NaN or infinity; -1 if all values are finite. */
export function indexOfNonFinite(values: ArrayLike<number>): number {
  for (let i = 0; i < values.length; i++) if (!Number.isFinite(values[i])) return i;
  return -1;
}

/**
 * Throws if `values` contain NaN or an infinity.
 *
 * @param name what the values are: the start of the message
 * @param advice what to do: the end of the message
 * @throws SpinegradError ERR_NOT_FINITE
 */
export function expectFinite(values: ArrayLike<number>, name: string, advice: string): void {
  const index = indexOfNonFinite(values);
  if (index < 0) return;
  throw new SpinegradError(
    'ERR_NOT_FINITE',
    `${name}: found ${values[index]} at index ${index} of ${values.length}, expected finite numbers; ${advice}`,
  );
}
