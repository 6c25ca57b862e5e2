/**
 * Which side a patient stands on: a hash of the seed and the study id, taken as a number in [0, 1), falls into
 * the fractions or folds. The side depends on nothing else, so adding or removing studies moves no other study,
 * and all discs and slices of a patient stand on the same side.
 */
import { createHash } from 'node:crypto';
import { SpinegradError } from '../error.js';
import type { Split } from './types.js';

export interface SplitSpec {
  seed: number;
  fractions: Record<Split, number>;
  /** Number of folds (3 or more), or null to split by the fractions. */
  folds: number | null;
  /** With folds: this one is the test side, the next one the validation side, the others train. */
  fold: number | null;
}

export const DEFAULT_SPLIT: SplitSpec = {
  seed: 0,
  fractions: { train: 0.7, validation: 0.15, test: 0.15 },
  folds: null,
  fold: null,
};

/** A number in [0, 1), uniform over studies: the first 48 bits of sha256 of `seed:studyId`. */
export function studyHash(studyId: string, seed: number): number {
  return createHash('sha256').update(`${seed}:${studyId}`).digest().readUIntBE(0, 6) / 2 ** 48;
}

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
 * Checks a split before anything is read with it.
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
    fail(`fractions ${JSON.stringify(fractions)}`, 'three numbers of 0 or more that add up to 1');
  }
  if ((folds === null) !== (fold === null))
    fail(`folds ${folds} and fold ${fold}`, 'a number for both, or neither');
  if (folds === null || fold === null) return;
  if (!Number.isInteger(folds) || folds < 3) fail(`folds ${folds}`, '3 or more: train, validation and test');
  if (!Number.isInteger(fold) || fold < 0 || fold >= folds) fail(`fold ${fold}`, `0 to ${folds - 1}`);
}
