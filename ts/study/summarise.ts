/** All results of a study from the lines of its predictions.csv, calibration.csv and curves.csv. */
import { SpinegradError } from '../error.js';
import { groupBy } from '../evaluation/groupBy.js';
import { type Program, provenance } from '../io/provenance.js';
import type { Task } from '../tasks/task.js';
import type { ArmEmbeddings } from './armEmbeddings.js';
import type { StudyCalibration } from './calibrationFile.js';
import type { ComparedArm } from './compareArms.js';
import type { CurvePoint } from './curvesFile.js';
import { summariseEmbeddings } from './embeddingMaps.js';
import { evaluateBlock } from './evaluateBlock.js';
import { evaluateGroups, type PatientGroups } from './evaluateGroups.js';
import { learningCurves } from './learningCurves.js';
import type { StudyPrediction } from './predictionsFile.js';
import type { ResamplingOptions } from './resample.js';
import { rsnaResults } from './rsna.js';
import { cellKey, groupLines } from './samples.js';
import type { ReportedArm } from './studyArms.js';
import type { Block, StudyCell, StudyData, StudySummary } from './types.js';

/** What the predictions do not tell about a study. */
export interface StudyFacts {
  /** Title of the report. */
  name: string;
  data: StudyData;
  tasks: readonly Task[];
  /** In the order of the report; the first is the baseline. */
  arms: readonly ReportedArm[];
  /** All cells of the plan, finished or not. */
  cells: readonly StudyCell[];
  /** By study; default: nothing is known. */
  groups?: ReadonlyMap<string, PatientGroups>;
  /** The validation discs of the cells; default: not known. */
  calibration?: readonly StudyCalibration[];
  /** The validation curves of the cells; default: not known. */
  curves?: readonly CurvePoint[];
  /** The embeddings of one cell per arm; default: not known. */
  embeddings?: readonly ArmEmbeddings[];
  resampling?: ResamplingOptions;
  /** Default: the running program. */
  program?: Program;
}

/**
 * Computes all results. Cells without predictions are listed in `plan.missing`; the results are those of the others.
 *
 * @throws SpinegradError ERR_STUDY for a line of a cell or task that the plan does not have; of `poolFolds`,
 *   `evaluateRepeats` and `compareRepeats`
 */
export function summariseStudy(lines: readonly StudyPrediction[], facts: StudyFacts): StudySummary {
  const { name, data, tasks, arms, cells, groups, program = provenance() } = facts;
  const { calibration = [], curves = [], embeddings = [] } = facts;
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
      const ofTask = calibration.filter((line) => line.task === task.id);
      const results = own.map((block) =>
        evaluateBlock(block, task, { cells, arms, calibration: ofTask }, resampling),
      );
      return [
        {
          task,
          blocks: results.map(({ block }) => block),
          groups: groups ? evaluateGroups(primaryOf(results), task, groups, resampling) : null,
        },
      ];
    }),
    curves: learningCurves(curves, cells),
    embeddings: summariseEmbeddings(embeddings, groups ?? new Map()),
    rsna: rsnaResults(blocks, cells, resampling),
  };
}

/** The arms at the largest label fraction, on predicted crops if there are any. */
function primaryOf(results: readonly { block: Block; arms: ComparedArm[] }[]): ComparedArm[] {
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
