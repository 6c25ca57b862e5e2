/**
 * Cross-conformal calibration (Vovk, "Cross-conformal predictors", Annals of Mathematics and Artificial Intelligence 74,
 * 2015; Barber et al., "Predictive inference with the jackknife+", Annals of Statistics 49, 2021). The validation fold of one
 * cell has few discs. A study has the validation discs of all folds: each is graded by a network that was not trained on its
 * patient. For the test patients of a fold, temperature and minimums follow from the validation discs of all cells of the same
 * repeat, label fraction and arm, except those of a cell whose validation patients are these test patients.
 */

import { groupBy } from '../evaluation/groupBy.js';
import { calibrated, calibrateTask } from '../evaluation/taskCalibration.js';
import { scaleTemperature } from '../evaluation/temperatureScaling.js';
import type { GradeScale } from '../tasks/task.js';
import type { StudyCalibration } from './calibrationFile.js';
import type { StudyPrediction } from './predictionsFile.js';

/**
 * The predictions with the pooled calibration instead of that of their cell. The probabilities of the network follow from the
 * temperature of the prediction.
 *
 * @param lines of one task, arm and label fraction, each with `trust`
 * @param calibration the validation discs of the same task, arm and label fraction
 * @returns with the mean number of calibration discs of a fold; null if a fold has none
 */
export function recalibrate(
  lines: readonly StudyPrediction[],
  calibration: readonly StudyCalibration[],
  { grades }: GradeScale,
): { lines: StudyPrediction[]; discs: number } | null {
  const folds = [...groupBy(lines, ({ repeat, fold }) => `${repeat} ${fold}`).values()];
  const counts: number[] = [];
  const results: StudyPrediction[] = [];
  for (const own of folds) {
    const [first] = own as [StudyPrediction];
    const pool = poolOf(own, calibration);
    if (pool.length === 0) return null;
    const pooled = calibrateTask(
      first.task,
      pool.map(({ probabilities }) => probabilities),
      pool.map(({ truth }) => truth),
      grades.length,
      first.trust!.setCoverage,
    );
    counts.push(pool.length);
    for (const line of own) {
      const network = scaleTemperature(line.probabilities, 1 / line.trust!.temperature);
      const { probabilities, set } = calibrated(network, pooled);
      results.push({
        ...line,
        probabilities,
        trust: { ...line.trust!, temperature: pooled.temperature, set },
      });
    }
  }
  return { lines: results, discs: counts.reduce((sum, count) => sum + count, 0) / counts.length };
}

/** The validation discs of the repeat, without those of cells that validate on test patients of the fold. */
function poolOf(
  lines: readonly StudyPrediction[],
  calibration: readonly StudyCalibration[],
): StudyCalibration[] {
  const tested = new Set(lines.map(({ study }) => study));
  const ofRepeat = calibration.filter(({ repeat }) => repeat === lines[0]!.repeat);
  const cells = [...groupBy(ofRepeat, ({ fold }) => fold).values()];
  return cells.filter((cell) => !cell.some(({ study }) => tested.has(study))).flat();
}
