/** The results at one label fraction on one kind of crop: the arms, their ensembles, and the differences between them. */
import type { Task } from '../tasks/task.js';
import type { Difference } from './armResult.js';
import { measureArmTrust } from './armTrust.js';
import type { StudyCalibration } from './calibrationFile.js';
import { type ComparedArm, compareRepeats } from './compareArms.js';
import { evaluateEnsemble } from './ensemble.js';
import { evaluateRepeats } from './evaluateArm.js';
import { holm } from './holm.js';
import type { ResamplingOptions } from './resample.js';
import { METRICS, type MetricName } from './sample.js';
import { type ArmLines, type BlockLines, commonLines, type Pooled, poolFolds } from './samples.js';
import type { ReportedArm } from './studyArms.js';
import type { Block, StudyCell, StudyComparison } from './types.js';

type EvaluatedLines = Pooled & ComparedArm;

interface BlockFacts {
  cells: readonly StudyCell[];
  arms: readonly ReportedArm[];
  /** The validation discs of the task. */
  calibration: readonly StudyCalibration[];
}

/** Compares each arm with each earlier one, but no two variants. */
export function evaluateBlock(
  { labels, crops, arms }: BlockLines,
  task: Task,
  { cells, arms: planned, calibration }: BlockFacts,
  options: ResamplingOptions,
): { block: Block; arms: ComparedArm[] } {
  const plannedOf = (name: string) => cells.filter((cell) => cell.arm === name && cell.labels === labels);
  const evaluate = ({ name, lines }: ArmLines): EvaluatedLines => {
    const pooled = poolFolds(lines, plannedOf(name));
    return { name, ...pooled, evaluated: evaluateRepeats(pooled.predictions, task, options) };
  };
  const results = arms.map(evaluate);
  const isVariant = ({ name }: ComparedArm) => !!planned.find((arm) => arm.name === name)!.variantOf;
  const comparisons = results.flatMap((a, i) =>
    results.slice(0, i).flatMap((b, j): StudyComparison[] => {
      if (isVariant(a) && isVariant(b)) return [];
      let pair: readonly [EvaluatedLines, EvaluatedLines] = [a, b];
      if (!(a.complete && b.complete)) {
        const [inBoth, others] = commonLines(arms[i]!, arms[j]!);
        if (inBoth.lines.length === 0) return [];
        pair = [evaluate(inBoth), evaluate(others)];
      }
      const { repeats, complete, evaluated } = pair[0];
      const metrics = compareRepeats(...pair, task, options);
      return [{ a: a.name, b: b.name, patients: evaluated.result.patients, repeats, complete, metrics }];
    }),
  );
  correct(comparisons.map(({ metrics }) => metrics));
  // The validation discs are on predicted crops, and an ensemble is what a user could have.
  const isPredicted = crops === 'predicted';
  const shown = results.map((result, i) => {
    const { name, repeats, complete, evaluated } = result;
    const { lines } = arms[i]!;
    const own = calibration.filter((line) => line.arm === name && line.labels === labels);
    return {
      ...{ name, repeats, complete },
      ...evaluated.result,
      trust: isPredicted
        ? measureArmTrust({ lines, calibration: own, planned: plannedOf(name) }, task)
        : null,
      ensemble: isPredicted ? evaluateEnsemble(result, task, options) : null,
    };
  });
  correct(shown.flatMap(({ ensemble }) => ensemble?.difference ?? []));
  return { block: { labels, crops, arms: shown, comparisons }, arms: results };
}

/** Sets `pHolm` of each metric over the comparisons. */
function correct(comparisons: readonly Record<MetricName, Difference>[]): void {
  for (const metric of METRICS) {
    const corrected = holm(comparisons.map((metrics) => metrics[metric].p));
    comparisons.forEach((metrics, i) => {
      metrics[metric].pHolm = corrected[i]!;
    });
  }
}
