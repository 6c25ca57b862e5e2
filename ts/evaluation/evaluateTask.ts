/** The results of one task: metrics of each arm, and differences between arms. */
import { SpinegradError } from '../error.js';
import type { GradeScale } from '../tasks/task.js';
import type { BootstrapOptions } from './bootstrap.js';
import { compareArms, evaluate } from './evaluate.js';
import type { Crops, Prediction } from './predictionsFile.js';
import { measureTrust } from './trust.js';
import type { Comparison, Metrics, Predictions, Trust } from './types.js';

/** Predictions of an arm for the same discs on both kinds of crop. */
export interface ArmPredictions extends Record<Crops, Predictions> {
  name: string;
}

export interface TaskResults {
  arms: ({ name: string; trust: Trust | null } & Record<Crops, Metrics>)[];
  /** Each arm minus each earlier arm. */
  comparisons: Record<Crops, Comparison[]>;
}

/**
 * Evaluates the arms of a task and compares them.
 *
 * @throws SpinegradError ERR_EVALUATION as `evaluate` and `compareArms`
 */
export function evaluateTask(
  arms: readonly ArmPredictions[],
  scale: GradeScale,
  options: BootstrapOptions,
): TaskResults {
  const compare = (crops: Crops) =>
    arms.flatMap((a, i) =>
      arms.slice(0, i).map((b) => ({
        a: a.name,
        b: b.name,
        ...compareArms(a[crops], b[crops], scale, options),
      })),
    );
  return {
    arms: arms.map(({ name, predicted, annotated }) => ({
      name,
      predicted: evaluate(predicted, scale, options),
      annotated: evaluate(annotated, scale, options),
      trust: measureTrust(predicted, scale),
    })),
    comparisons: { predicted: compare('predicted'), annotated: compare('annotated') },
  };
}

/**
 * Collects the lines of one or more predictions files by task and arm, in the order of their first lines. The folds of a
 * cross-validation become one sample.
 *
 * @throws SpinegradError ERR_EVALUATION if an arm has two predictions for one disc
 */
export function groupPredictions(lines: readonly Prediction[]): { task: string; arms: ArmPredictions[] }[] {
  const tasks = new Map<string, Map<string, ArmPredictions>>();
  const seen = new Set<string>();
  for (const { task, arm: name, crops, study, level, side, truth, probabilities, trust } of lines) {
    const disc = side === null ? level : `${level} ${side}`;
    const key = JSON.stringify([task, name, crops, study, disc]);
    if (seen.has(key)) {
      throw new SpinegradError(
        'ERR_EVALUATION',
        `predictions: found two of arm ${name} for study ${study}, ${disc}, ${crops} crops, task ${task}; expected one: ` +
          'give each file once, and only files of runs with different test patients',
      );
    }
    seen.add(key);
    const arms = setDefault(tasks, task, () => new Map());
    const arm = setDefault(arms, name, () => ({ name, predicted: noDiscs(), annotated: noDiscs() }));
    arm[crops].studyId.push(study);
    arm[crops].level.push(disc);
    arm[crops].truth.push(truth);
    arm[crops].probabilities.push(probabilities);
    arm[crops].trust!.push(trust);
  }
  return [...tasks].map(([task, arms]) => ({ task, arms: [...arms.values()] }));
}

const noDiscs = (): Predictions => ({ studyId: [], level: [], truth: [], probabilities: [], trust: [] });

function setDefault<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  let value = map.get(key);
  if (value === undefined) {
    value = make();
    map.set(key, value);
  }
  return value;
}
