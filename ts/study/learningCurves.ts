/** Performance by the length of fine-tuning: the validation curves of the cells, averaged over folds and repeats. */
import { groupBy } from '../evaluation/groupBy.js';
import type { CurvePoint } from './curvesFile.js';
import type { LearningCurve, StudyCell, StudySummary } from './types.js';

/** Fraction of the final value that counts as reached. */
export const REACHED = 0.95;

/**
 * The mean curve of each arm at each label fraction, over the epochs that all of its cells have.
 *
 * @param cells of the plan; their order is that of the result
 */
export function learningCurves(
  points: readonly CurvePoint[],
  cells: readonly StudyCell[],
): StudySummary['curves'] {
  const keyOf = ({ labels, arm }: Pick<StudyCell, 'labels' | 'arm'>) => JSON.stringify([labels, arm]);
  const found = groupBy(points, keyOf);
  return [...groupBy(cells, ({ labels }) => labels)]
    .sort(([a], [b]) => a - b)
    .flatMap(([labels, planned]) => {
      const arms = [...new Set(planned.map(({ arm }) => arm))].flatMap((arm) => {
        const own = found.get(keyOf({ labels, arm }));
        return own === undefined ? [] : [curveOf(arm, own)];
      });
      return arms.length === 0 ? [] : [{ labels, arms }];
    });
}

function curveOf(name: string, points: readonly CurvePoint[]): LearningCurve {
  const cells = groupBy(points, ({ fold, repeat }) => `${fold} ${repeat}`).size;
  const epochs = [...groupBy(points, ({ epoch }) => epoch)]
    .filter(([, own]) => own.length === cells)
    .sort(([a], [b]) => a - b)
    .map(([epoch, own]) => {
      const values = own.map(({ balancedAccuracy }) => balancedAccuracy);
      const step = mean(own.map((point) => point.step));
      return { epoch, step, mean: mean(values), sd: standardDeviation(values) };
    });
  const final = epochs.at(-1)?.mean ?? null;
  const reached = final === null ? undefined : epochs.find((epoch) => epoch.mean >= REACHED * final);
  return { name, cells, epochs, final, stepsTo95: reached?.step ?? null };
}

const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;

/** 0 for a single value. */
function standardDeviation(values: readonly number[]): number {
  const centre = mean(values);
  const squares = values.reduce((sum, value) => sum + (value - centre) ** 2, 0);
  return Math.sqrt(squares / Math.max(1, values.length - 1));
}
