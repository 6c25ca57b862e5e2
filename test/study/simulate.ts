/** A synthetic predictions table of a study: arms of a given skill on the same patients, folds and repeats. */
import { LEVELS } from '#spinegrad/anatomy.js';
import { CROPS } from '#spinegrad/evaluation/predictionsFile.js';
import { calibrated, calibrateTask } from '#spinegrad/evaluation/taskCalibration.js';
import { RandomStream } from '#spinegrad/random.js';
import type { ReportImage } from '#spinegrad/report/types.js';
import type { ArmEmbeddings } from '#spinegrad/study/armEmbeddings.js';
import type { StudyCalibration } from '#spinegrad/study/calibrationFile.js';
import type { CurvePoint } from '#spinegrad/study/curvesFile.js';
import type { StudyPrediction } from '#spinegrad/study/predictionsFile.js';
import type { StudyFacts } from '#spinegrad/study/summarise.js';
import type { StudyCell } from '#spinegrad/study/types.js';
import type { Task } from '#spinegrad/tasks/task.js';
import { PFIRRMANN } from '../tasks/examples.js';

export interface Simulation {
  tasks?: readonly Task[];
  patients?: number;
  folds?: number;
  repeats?: number;
  labels?: readonly number[];
  /** Skill of each arm; 0 is chance. */
  arms?: Record<string, number>;
  crops?: readonly (typeof CROPS)[number][];
  seed?: number;
}

/** The facts and the predictions of a complete study. */
export function simulateStudy({
  tasks = [PFIRRMANN],
  patients = 40,
  folds = 4,
  repeats = 2,
  labels = [0.25, 1],
  arms = { scratch: 0.8, contrastive: 1.6 },
  crops = CROPS,
  seed = 1,
}: Simulation = {}): { facts: StudyFacts; lines: StudyPrediction[] } {
  const names = Object.keys(arms);
  const cells: StudyCell[] = [];
  for (let repeat = 0; repeat < repeats; repeat++)
    for (let fold = 0; fold < folds; fold++)
      for (const fraction of labels)
        for (const arm of names) cells.push({ fold, repeat, labels: fraction, arm });
  const lines = tasks.flatMap((task, index) => {
    const truths = new RandomStream(seed, index);
    const truth = Array.from({ length: patients * LEVELS.length }, () =>
      truths.pick([0, ...task.grades.keys()]),
    );
    return cells.flatMap(({ fold, repeat, labels: fraction, arm }, cell) =>
      crops.flatMap((kind, k) => {
        const random = new RandomStream(seed, index, cell, k);
        const skill = arms[arm]! * (0.5 + 0.5 * fraction);
        return truth.flatMap((grade, disc): StudyPrediction[] => {
          const patient = Math.floor(disc / LEVELS.length);
          if ((patient + repeat * 3) % folds !== fold) return [];
          return [
            {
              ...{ fold, repeat, labels: fraction, task: task.id, arm, crops: kind },
              ...{
                study: `p${patient}`,
                level: LEVELS[disc % LEVELS.length]!,
                side: task.side,
                truth: grade,
              },
              probabilities: probabilitiesOf(task, grade, skill, random),
              ...{ image: `images/p${patient}.png`, centre: [100, 120], localizationMm: 1.5 },
              ...{ levelProbability: 0.9, flags: [] },
            },
          ];
        });
      }),
    );
  });
  const facts: StudyFacts = {
    name: 'A study',
    data: { name: 'clinic', layout: 'table', series: ['Sagittal T2'], synthetic: false, notice: 'Own data.' },
    tasks,
    arms: names.map((name) => ({ name, description: `${name} weights` })),
    cells,
    resampling: { seed: 3, resamples: 200, permutations: 200 },
    program: { version: '0.1.0', commit: 'unknown', date: '2026-11-29T10:00:00.000Z' },
  };
  return { facts, lines };
}

/**
 * The predictions with the calibration of each cell, and its validation discs: the test patients of the next fold, whose
 * probabilities are those of that fold's network.
 */
export function calibrateSimulation(
  lines: readonly StudyPrediction[],
  { tasks, cells }: Pick<StudyFacts, 'tasks' | 'cells'>,
  coverage = 0.9,
): { lines: StudyPrediction[]; calibration: StudyCalibration[] } {
  const folds = 1 + Math.max(...cells.map(({ fold }) => fold));
  const calibration: StudyCalibration[] = [];
  const calibratedLines: StudyPrediction[] = [];
  for (const { id, grades } of tasks) {
    for (const cell of cells) {
      const { repeat, labels, arm } = cell;
      const linesOf = (fold: number) =>
        lines.filter(
          (line) =>
            line.task === id &&
            line.fold === fold &&
            line.repeat === repeat &&
            line.labels === labels &&
            line.arm === arm,
        );
      const own = linesOf((cell.fold + 1) % folds)
        .filter(({ crops }) => crops === 'predicted')
        .map(({ task, study, level, side, truth, probabilities }) => ({
          ...{ task, study, level, side, truth, probabilities },
        }));
      const { temperature, minimums } = calibrateTask(
        id,
        own.map(({ probabilities }) => probabilities),
        own.map(({ truth }) => truth),
        grades.length,
        coverage,
      );
      calibration.push(...own.map((line) => ({ ...cell, ...line })));
      for (const line of linesOf(cell.fold)) {
        const { probabilities, set } = calibrated(line.probabilities, { temperature, minimums });
        const trust = { temperature, set, setCoverage: coverage, novelty: 0.5 };
        calibratedLines.push({ ...line, probabilities, trust });
      }
    }
  }
  return { lines: calibratedLines, calibration };
}

/** Embeddings of the test discs of fold 0 whose direction follows the grade. */
export function simulateEmbeddings(
  lines: readonly StudyPrediction[],
  { arms, tasks }: Pick<StudyFacts, 'arms' | 'tasks'>,
  features = 8,
): ArmEmbeddings[] {
  return arms.map(({ name: arm }, index) => {
    const labels = Math.max(...lines.map((line) => line.labels));
    const own = lines.filter(
      (line) =>
        line.task === tasks[0]!.id &&
        line.arm === arm &&
        line.labels === labels &&
        line.fold === 0 &&
        line.repeat === 0 &&
        line.crops === 'predicted',
    );
    const random = new RandomStream(5, index);
    const values = own.flatMap(({ truth }) =>
      Array.from({ length: features }, (_, k) => random.normal() + (k === truth ? 6 : 0)),
    );
    return {
      ...{ arm, fold: 0, repeat: 0 },
      discs: own.map(({ study, truth }) => ({ study, grade: truth })),
      rows: { values: Float32Array.from(values), length: features },
    };
  });
}

/** A validation curve of each cell. */
export const simulateCurves = (cells: readonly StudyCell[]): CurvePoint[] =>
  cells.flatMap(({ fold, repeat, labels, arm }) =>
    Array.from({ length: 6 }, (_, i) => ({
      ...{ fold, repeat, labels, arm, epoch: i + 1, step: 10 * (i + 1) },
      balancedAccuracy: 0.5 + 0.3 * labels * (1 - 2 ** -i) + 0.01 * fold,
    })),
  );

/** A crop whose brightness is the same in all rows. */
export const GRADIENT: ReportImage = {
  pixels: Uint16Array.from({ length: 32 * 32 }, (_, i) => (i % 32) * 2047),
  width: 32,
  height: 32,
};

/** Neighbouring grades are likelier than distant ones. */
function probabilitiesOf({ grades }: Task, truth: number, skill: number, random: RandomStream): number[] {
  const scores = grades.map((_, grade) => Math.exp(random.normal() - skill * Math.abs(grade - truth)));
  const total = scores.reduce((sum, score) => sum + score, 0);
  return scores.map((score) => score / total);
}
