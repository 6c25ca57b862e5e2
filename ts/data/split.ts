/**
 * The split by patient. A hash of seed and study id, read as a number in [0, 1), selects the set by fractions or folds.
 * It depends on nothing else: all discs and slices of a patient are in the same set, and adding or removing studies
 * does not move other studies.
 */
import { createHash } from 'node:crypto';
import { SpinegradError } from '../error.js';
import type { Split } from './types.js';

export interface SplitSpec {
  seed: number;
  fractions: Record<Split, number>;
  /** Number of folds, 3 or more; null splits by `fractions`. */
  folds: number | null;
  /** With folds: the test fold, from 0. The next fold is the validation set, the others are the training set. */
  fold: number | null;
}

export const DEFAULT_SPLIT: SplitSpec = {
  seed: 0,
  fractions: { train: 0.7, validation: 0.15, test: 0.15 },
  folds: null,
  fold: null,
};

/** The first 48 bits of sha256 of `seed:studyId`, as a number in [0, 1). */
function studyHash(studyId: string, seed: number): number {
  return createHash('sha256').update(`${seed}:${studyId}`).digest().readUIntBE(0, 6) / 2 ** 48;
}

/** The set of a study. */
export function splitOf(studyId: string, spec: SplitSpec): Split {
  const hash = studyHash(studyId, spec.seed);
  if (spec.folds !== null && spec.fold !== null) {
    const fold = Math.floor(hash * spec.folds);
    if (fold === spec.fold) return 'test';
    return fold === (spec.fold + 1) % spec.folds ? 'validation' : 'train';
  }
  const { train, validation } = spec.fractions;
  if (hash < train) return 'train';
  return hash < train + validation ? 'validation' : 'test';
}

/**
 * Checks the settings of a split.
 *
 * @throws SpinegradError ERR_SPLIT
 */
export function checkSplit({ seed, fractions, folds, fold }: SplitSpec): void {
  const sum = fractions.train + fractions.validation + fractions.test;
  const fail = (found: string, expected: string) => {
    throw new SpinegradError('ERR_SPLIT', `split: found ${found}; expected ${expected}`);
  };
  if (!Number.isSafeInteger(seed)) fail(`seed ${seed}`, 'an integer');
  if (Object.values(fractions).some((x) => !(x >= 0)) || Math.abs(sum - 1) > 1e-9) {
    fail(`fractions ${JSON.stringify(fractions)}`, 'three non-negative numbers with the sum 1');
  }
  if ((folds === null) !== (fold === null)) fail(`folds ${folds} and fold ${fold}`, 'both or neither');
  if (folds === null || fold === null) return;
  if (!Number.isInteger(folds) || folds < 3) fail(`folds ${folds}`, '3 or more: train, validation and test');
  if (!Number.isInteger(fold) || fold < 0 || fold >= folds) fail(`fold ${fold}`, `0 to ${folds - 1}`);
}
