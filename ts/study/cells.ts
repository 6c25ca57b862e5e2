/** The cells of a plan and their settings. */
import type { Config } from '../training/config.js';
import { armConfig, type Plan } from './plan.js';

/** One training and its predictions for the test patients of a fold. */
export interface Cell {
  /** Such as `fold0-repeat1-labels0.25-contrastive`. */
  id: string;
  /** From 0. */
  fold: number;
  /** From 0. */
  repeat: number;
  /** Fraction of the training and validation patients that keep their grades. */
  labels: number;
  /** Name of the arm in the study. */
  arm: string;
}

/** The cells in the order of work: the first repeat of all folds comes first, so that early results cover all patients. */
export function cellsOf({ folds, repeats, labels, arms }: Plan): Cell[] {
  const numbers = (count: number) => Array.from({ length: count }, (_, index) => index);
  return numbers(repeats).flatMap((repeat) =>
    numbers(folds).flatMap((fold) =>
      labels.flatMap((fraction) =>
        arms.map((arm) => ({
          id: `fold${fold}-repeat${repeat}-labels${fraction}-${arm}`,
          ...{ fold, repeat, labels: fraction, arm },
        })),
      ),
    ),
  );
}

/**
 * The settings of a cell; `node train.js` with them does the same. The seeds of training and of the labels are those of the
 * plan plus the number of the repeat.
 *
 * @param base settings of the plan
 */
export const cellConfig = (
  plan: Pick<Plan, 'variants'>,
  base: Config,
  { arm, ...at }: Omit<Cell, 'id'>,
): Config => armConfig(plan, configAt(base, at), arm);

/** The settings of what the arms of a fold and repeat share. */
export function configAt(
  base: Config,
  { fold, repeat, labels }: Pick<Cell, 'fold' | 'repeat' | 'labels'>,
): Config {
  const labelSeed = base.data.labelSeed + repeat;
  return { ...base, seed: base.seed + repeat, data: { ...base.data, fold, labels, labelSeed } };
}
