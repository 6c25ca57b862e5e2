/** A task is data: it states what is graded, on which images and on which scale. Everything else follows from it. */
import type { Level } from '../anatomy.js';
import { SpinegradError } from '../error.js';

/** One step of a grading scale. */
export interface Grade {
  /** Name in results, reports and messages, such as `moderate`. */
  readonly name: string;
  /** Value in the label column of the data set; case is ignored. */
  readonly label: string;
  /** Weight of a disc of this grade in the weighted log loss. */
  readonly weight: number;
}

/** The image series that the readers graded. */
export interface TaskSeries {
  /** Value in the data set's series descriptions, such as `Sagittal T2/STIR`. */
  readonly description: string;
  readonly plane: 'sagittal' | 'axial';
}

/** The grades of a task and whether their order has a meaning. */
export interface GradeScale {
  /** At least two. If they are ordered, from the mildest to the most severe. A grade is stored as its index here. */
  readonly grades: readonly Grade[];
  /**
   * Ordered: quadratic kappa, AUROC of the last grade against the rest, and the most severe grade predicted as the mildest are
   * reported. Nominal: plain kappa and the mean AUROC of each grade against the rest.
   */
  readonly ordered: boolean;
}

/**
 * A grading task.
 *
 * @example
 * const task = taskOf('rsna/spinal_canal_stenosis');
 * task.grades.map(({ name }) => name); // ['normal', 'moderate', 'severe']
 */
export interface Task extends GradeScale {
  /** `<data set>/<condition>`; the value of the setting `task`. */
  readonly id: string;
  /** Folder layout of the data set. */
  readonly layout: 'rsna';
  /** The condition as the data set spells it, such as `Spinal Canal Stenosis`. */
  readonly condition: string;
  /** The condition in running text, such as `spinal canal stenosis`. */
  readonly title: string;
  readonly series: TaskSeries;
  /** Side of the patient that is graded; null if the condition has none. */
  readonly side: 'left' | 'right' | null;
  /** Graded levels, from cranial to caudal. */
  readonly levels: readonly Level[];
}

/** Lower case with one `_` for each run of other characters: `Spinal Canal Stenosis` -> `spinal_canal_stenosis`. */
export const snakeCase = (text: string): string => text.toLowerCase().replace(/[^a-z0-9]+/g, '_');

/**
 * Refuses a task whose series a command cannot process.
 *
 * @param supported what the series must be
 * @param command name of the command, for the message
 * @throws SpinegradError ERR_TASK_SERIES
 */
export function requireSeries({ id, series }: Task, supported: Partial<TaskSeries>, command: string): void {
  const { description = series.description, plane = series.plane } = supported;
  if (description === series.description && plane === series.plane) return;
  throw new SpinegradError(
    'ERR_TASK_SERIES',
    `${command}: task ${id} is graded on ${series.description}, which ${command} cannot process yet; ` +
      `expected a task on ${supported.description ?? `a ${plane} series`}`,
  );
}
