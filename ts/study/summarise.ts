/** All results of a study from the lines of its predictions.csv. */
import { SpinegradError } from '../error.js';
import { groupBy } from '../evaluation/groupBy.js';
import type { Predictions } from '../evaluation/types.js';
import { type Program, provenance } from '../io/provenance.js';
import type { Task } from '../tasks/task.js';
import { compareRepeats } from './compareArms.js';
import { type EvaluatedArm, evaluateRepeats } from './evaluateArm.js';
import { holm } from './holm.js';
import type { StudyPrediction } from './predictionsFile.js';
import type { ResamplingOptions } from './resample.js';
import { rsnaResults } from './rsna.js';
import { METRICS } from './sample.js';
import {
  type ArmLines,
  type BlockLines,
  cellKey,
  commonLines,
  groupLines,
  type Pooled,
  poolFolds,
} from './samples.js';
import type { Block, GroupResult, StudyCell, StudyComparison, StudyData, StudySummary } from './types.js';

/** Where a patient was examined; null if it is unknown. */
export interface PatientGroups {
  scanner: string | null;
  /** Such as `1.5 T`. */
  fieldStrength: string | null;
}

/** What the predictions do not tell about a study. */
export interface StudyFacts {
  /** Title of the report. */
  name: string;
  data: StudyData;
  tasks: readonly Task[];
  /** In the order of the report; the first is the baseline. */
  arms: readonly { name: string; description: string }[];
  /** All cells of the plan, finished or not. */
  cells: readonly StudyCell[];
  /** By study; default: nothing is known. */
  groups?: ReadonlyMap<string, PatientGroups>;
  resampling?: ResamplingOptions;
  /** Default: the running program. */
  program?: Program;
}

type Evaluated = Pooled & { name: string; evaluated: EvaluatedArm };

/**
 * Computes all results. Cells without predictions are listed in `plan.missing`; the results are those of the others.
 *
 * @throws SpinegradError ERR_STUDY for a line of a cell or task that the plan does not have; of `poolFolds`,
 *   `evaluateRepeats` and `compareRepeats`
 */
export function summariseStudy(lines: readonly StudyPrediction[], facts: StudyFacts): StudySummary {
  const { name, data, tasks, arms, cells, groups, program = provenance() } = facts;
  const resampling = { seed: 0, resamples: 2000, permutations: 2000, ...facts.resampling };
  requirePlanned(lines, facts);
  const found = new Set(lines.map(cellKey));
  const blocks = groupLines(lines, cells);
  const distinct = (values: readonly number[]) => [...new Set(values)].sort((a, b) => a - b);
  return {
    name,
    program,
    data,
    plan: {
      folds: distinct(cells.map(({ fold }) => fold)).length,
      repeats: distinct(cells.map(({ repeat }) => repeat)).length,
      labels: distinct(cells.map(({ labels }) => labels)),
      arms: arms.map(({ name, description }) => ({ name, description })),
      progress: [...groupBy(cells, ({ labels, arm }) => JSON.stringify([labels, arm])).values()].map(
        (own) => ({
          labels: own[0]!.labels,
          arm: own[0]!.arm,
          planned: own.length,
          finished: own.filter((cell) => found.has(cellKey(cell))).length,
        }),
      ),
      missing: cells
        .filter((cell) => !found.has(cellKey(cell)))
        .map(({ fold, repeat, labels, arm }) => ({ fold, repeat, labels, arm })),
    },
    resampling,
    tasks: tasks.flatMap((task) => {
      const own = blocks.filter((block) => block.task === task.id);
      if (own.length === 0) return [];
      const results = own.map((block) => evaluateBlock(block, task, cells, resampling));
      return [
        {
          task,
          blocks: results.map(({ block }) => block),
          groups: groups ? evaluateGroups(primaryOf(results), task, groups, resampling) : null,
        },
      ];
    }),
    rsna: rsnaResults(blocks, cells, resampling),
  };
}

/** The arms at the largest label fraction, on predicted crops if there are any. */
function primaryOf(results: readonly { block: Block; arms: Evaluated[] }[]): Evaluated[] {
  const largest = Math.max(...results.map(({ block }) => block.labels));
  return results.find(({ block }) => block.labels === largest)!.arms;
}

function requirePlanned(lines: readonly StudyPrediction[], { cells, tasks }: StudyFacts): void {
  const known = new Set(cells.map(cellKey));
  const ids = new Set(tasks.map(({ id }) => id));
  for (const line of lines) {
    if (known.has(cellKey(line)) && ids.has(line.task)) continue;
    const { fold, repeat, labels, arm, task } = line;
    throw new SpinegradError(
      'ERR_STUDY',
      `predictions: found fold ${fold}, repeat ${repeat}, labels ${labels}, arm ${arm}, task ${task}; expected a cell and ` +
        'a task of the plan: the predictions belong to another study',
    );
  }
}

function evaluateBlock(
  { labels, crops, arms }: BlockLines,
  task: Task,
  cells: readonly StudyCell[],
  options: ResamplingOptions,
): { block: Block; arms: Evaluated[] } {
  const evaluate = ({ name, lines }: ArmLines): Evaluated => {
    const planned = cells.filter((cell) => cell.arm === name && cell.labels === labels);
    const pooled = poolFolds(lines, planned);
    return { name, ...pooled, evaluated: evaluateRepeats(pooled.predictions, task, options) };
  };
  const results = arms.map(evaluate);
  const comparisons = results.flatMap((a, i) =>
    results.slice(0, i).flatMap((b, j): StudyComparison[] => {
      let pair: readonly [Evaluated, Evaluated] = [a, b];
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
  for (const metric of METRICS) {
    const corrected = holm(comparisons.map(({ metrics }) => metrics[metric].p));
    comparisons.forEach(({ metrics }, i) => {
      metrics[metric].pHolm = corrected[i]!;
    });
  }
  const shown = results.map(({ name, repeats, complete, evaluated }) => ({
    ...{ name, repeats, complete },
    ...evaluated.result,
  }));
  return { block: { labels, crops, arms: shown, comparisons }, arms: results };
}

/** The results by scanner and by field strength; null if at most one of each is known. */
function evaluateGroups(
  arms: readonly Evaluated[],
  task: Task,
  groups: ReadonlyMap<string, PatientGroups>,
  options: ResamplingOptions,
): GroupResult[] | null {
  const studies = [
    ...new Set(arms.flatMap(({ predictions }) => predictions.flatMap(({ studyId }) => studyId))),
  ];
  const results = (['scanner', 'fieldStrength'] as const).flatMap((kind) => {
    const values = new Set(studies.flatMap((study) => groups.get(study)?.[kind] ?? []));
    if (values.size < 2) return [];
    return [...values].sort().map((value): GroupResult => {
      const members = new Set(studies.filter((study) => groups.get(study)?.[kind] === value));
      const results = arms.flatMap(({ name, predictions }) => {
        const own = predictions.map((all) => restrict(all, members)).filter(({ truth }) => truth.length > 0);
        if (own.length === 0) return [];
        const { discs, metrics, mostSevereAsMildest } = evaluateRepeats(own, task, options).result;
        return [{ name, discs, metrics, mostSevereAsMildest }];
      });
      return { kind, value, patients: members.size, arms: results };
    });
  });
  return results.length > 0 ? results : null;
}

function restrict(predictions: Predictions, members: ReadonlySet<string>): Predictions {
  const keep = <T>(values: readonly T[]) => values.filter((_, i) => members.has(predictions.studyId[i]!));
  return {
    studyId: keep(predictions.studyId),
    level: keep(predictions.level),
    truth: keep(predictions.truth),
    probabilities: keep(predictions.probabilities),
  };
}
