/** Collects the lines of a study's predictions.csv into samples: pooled out-of-fold predictions, once per repeat. */
import { SpinegradError } from '../error.js';
import { groupBy } from '../evaluation/groupBy.js';
import { CROPS, type Crops } from '../evaluation/predictionsFile.js';
import type { Predictions } from '../evaluation/types.js';
import type { StudyPrediction } from './predictionsFile.js';
import type { StudyCell } from './types.js';

/** The lines of one arm at one label fraction, for one task and kind of crop. */
export interface ArmLines {
  name: string;
  lines: readonly StudyPrediction[];
}

export interface BlockLines {
  task: string;
  labels: number;
  crops: Crops;
  /** In the order of the plan. */
  arms: ArmLines[];
}

/** The repeats of an arm that are evaluated. */
export interface Pooled {
  /** Numbers of the repeats. */
  repeats: number[];
  /** Whether these are all repeats of the plan, each with all folds. */
  complete: boolean;
  /** One entry per repeat. Discs are in the order of study and level. */
  predictions: Predictions[];
}

/** The lines by task, label fraction (ascending), crops (predicted first) and arm (as in the plan). */
export function groupLines(lines: readonly StudyPrediction[], cells: readonly StudyCell[]): BlockLines[] {
  const byBlock = groupBy(lines, ({ task, labels, crops }) => JSON.stringify([task, labels, crops]));
  const names = [...new Set(cells.map(({ arm }) => arm))];
  const blocks = [...byBlock.values()].map((own) => {
    const byArm = groupBy(own, ({ arm }) => arm);
    const arms = names.flatMap((name) => (byArm.has(name) ? [{ name, lines: byArm.get(name)! }] : []));
    const { task, labels, crops } = own[0]!;
    return { task, labels, crops, arms };
  });
  return blocks.sort((a, b) => a.labels - b.labels || CROPS.indexOf(a.crops) - CROPS.indexOf(b.crops));
}

export const cellKey = ({ fold, repeat, labels, arm }: StudyCell): string =>
  JSON.stringify([fold, repeat, labels, arm]);

/**
 * Pools the folds of each repeat. Repeats with missing folds are left out if another one is complete, because a metric
 * of a few patients would weigh as much as one of all. Without a complete repeat, all are used as they are.
 *
 * @param planned the cells of the plan for this arm and label fraction
 * @throws SpinegradError ERR_EVALUATION if a disc has two predictions in one repeat
 */
export function poolFolds(lines: readonly StudyPrediction[], planned: readonly StudyCell[]): Pooled {
  const byRepeat = [...groupBy(lines, ({ repeat }) => repeat)].sort(([a], [b]) => a - b);
  const isComplete = ([repeat, own]: (typeof byRepeat)[number]) => {
    const folds = new Set(own.map(({ fold }) => fold));
    return planned.every((cell) => cell.repeat !== repeat || folds.has(cell.fold));
  };
  const complete = byRepeat.filter(isComplete);
  const chosen = complete.length > 0 ? complete : byRepeat;
  return {
    repeats: chosen.map(([repeat]) => repeat),
    complete: complete.length === new Set(planned.map(({ repeat }) => repeat)).size,
    predictions: chosen.map(([, own]) => pool(own)),
  };
}

function pool(lines: readonly StudyPrediction[]): Predictions {
  const order = (a: StudyPrediction, b: StudyPrediction) =>
    compareText(a.study, b.study) || compareText(discOf(a), discOf(b));
  const sorted = [...lines].sort(order);
  for (const [i, line] of sorted.entries()) {
    if (i === 0 || order(sorted[i - 1]!, line) !== 0) continue;
    const { task, arm, study, repeat, labels } = line;
    throw new SpinegradError(
      'ERR_EVALUATION',
      `predictions: found two of arm ${arm} for study ${study}, ${discOf(line)}, repeat ${repeat}, labels ${labels}, ` +
        `task ${task}; expected one: the test patients of a repeat's folds must be disjoint`,
    );
  }
  return {
    studyId: sorted.map(({ study }) => study),
    level: sorted.map(discOf),
    truth: sorted.map(({ truth }) => truth),
    probabilities: sorted.map(({ probabilities }) => probabilities),
    trust: sorted.map(({ trust }) => trust),
  };
}

const compareText = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0);

/** `L4/L5`, or with a side `L4/L5 left`. */
export const discOf = ({ level, side }: Pick<StudyPrediction, 'level' | 'side'>): string =>
  side === null ? level : `${level} ${side}`;

/** The lines of two arms in the cells that both have. */
export function commonLines(a: ArmLines, b: ArmLines): [ArmLines, ArmLines] {
  const cells = ({ lines }: ArmLines) => new Set(lines.map(({ fold, repeat }) => `${fold} ${repeat}`));
  const [inA, inB] = [cells(a), cells(b)];
  const restrict = ({ name, lines }: ArmLines, others: Set<string>): ArmLines => ({
    name,
    lines: lines.filter(({ fold, repeat }) => others.has(`${fold} ${repeat}`)),
  });
  return [restrict(a, inB), restrict(b, inA)];
}
