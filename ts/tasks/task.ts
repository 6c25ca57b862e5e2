/** A task is data: it states what is graded, on which images and on which scale. Everything else follows from it. */
import { z } from 'zod';
import { DISC_LEVELS, type Level, SIDES, type Side } from '../anatomy.js';
import { SpinegradError } from '../error.js';

/** One step of a grading scale. */
export interface Grade {
  /** Name in results, reports and messages, such as `moderate`. */
  readonly name: string;
  /** Values in the label column of the data set; case is ignored. */
  readonly labels: readonly string[];
  /** Weight of a disc of this grade in the weighted log loss. */
  readonly weight: number;
}

/** A kind of image series. */
export interface TaskSeries {
  /** Name in the data set, such as `Sagittal T2/STIR`. */
  readonly name: string;
  readonly plane: 'sagittal' | 'axial';
  readonly weighting: 'T1' | 'T2';
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
 * A grading task. A bank and a model store their tasks completely, so that they can be used without a registry.
 *
 * @example
 * const task = taskOf('rsna/spinal_canal_stenosis');
 * task.grades.map(({ name }) => name); // ['normal', 'moderate', 'severe']
 */
export interface Task extends GradeScale {
  /** `<data set>/<name>`; a value of the setting `tasks`. */
  readonly id: string;
  /** Label column of a table in snake case; in the RSNA layout the condition, such as `spinal_canal_stenosis`. */
  readonly column: string;
  /** What is graded, in running text, such as `spinal canal stenosis`. */
  readonly title: string;
  /** The series that the readers graded. The first is the primary one: its crops are used unless settings name others. */
  readonly series: readonly TaskSeries[];
  /** Side of the patient that is graded; null if the task has none. */
  readonly side: Side | null;
  /** Graded levels, from cranial to caudal. */
  readonly levels: readonly Level[];
}

/** Lower case with one `_` for each run of other characters: `Spinal Canal Stenosis` -> `spinal_canal_stenosis`. */
export const snakeCase = (text: string): string => text.toLowerCase().replace(/[^a-z0-9]+/g, '_');

const name = z.string().min(1);

/** Checks the fields of a task and that they fit each other. A message states what was found and what was expected. */
export const taskSchema: z.ZodType<Task> = z
  .strictObject({
    id: name,
    column: name,
    title: name,
    series: z.array(
      z.strictObject({ name, plane: z.enum(['sagittal', 'axial']), weighting: z.enum(['T1', 'T2']) }),
    ),
    side: z.enum(SIDES).nullable(),
    levels: z.array(z.enum(DISC_LEVELS)),
    ordered: z.boolean(),
    grades: z.array(z.strictObject({ name, labels: z.array(name), weight: z.number() })),
  })
  .check(({ value, issues }) => {
    for (const message of contradictions(value)) issues.push({ code: 'custom', message, input: value });
  });

/** What is wrong with a task whose fields have the right types. */
function contradictions({ column, series, levels, grades }: Task): string[] {
  const messages: string[] = [];
  const expect = (holds: boolean, found: string, expected: string) => {
    if (!holds) messages.push(`found ${found}; expected ${expected}`);
  };
  const distinct = (values: readonly string[]) => new Set(values).size === values.length;
  const names = grades.map((grade) => grade.name);
  const labels = grades.flatMap((grade) => grade.labels.map((label) => label.toLowerCase()));
  const seriesNames = series.map((item) => item.name);
  expect(column === snakeCase(column), `the column ${column}`, `snake case: ${snakeCase(column)}`);
  expect(
    series.length > 0 && distinct(seriesNames),
    `the series ${seriesNames.join(', ')}`,
    'one or more, each once',
  );
  expect(levels.length > 0 && distinct(levels), `the levels ${levels.join(', ')}`, 'one or more, each once');
  expect(grades.length >= 2, `${grades.length} grades`, 'two or more');
  expect(distinct(names), `the grade names ${names.join(', ')}`, 'distinct names');
  expect(
    grades.every((grade) => grade.labels.length > 0) && distinct(labels),
    `the labels ${labels.join(', ')}`,
    'distinct labels, one or more per grade; case is ignored',
  );
  expect(
    grades.every(({ weight }) => weight > 0 && weight < Infinity),
    `the weights ${grades.map(({ weight }) => weight).join(', ')}`,
    'finite numbers above 0',
  );
  return messages;
}

/**
 * Checks a task from a file or a program.
 *
 * @param source where it comes from, for the message
 * @throws SpinegradError ERR_TASK
 */
export function parseTask(value: unknown, source: string): Task {
  const { data, error } = taskSchema.safeParse(value);
  if (error === undefined) return data;
  const { path, message } = error.issues[0]!;
  throw new SpinegradError(
    'ERR_TASK',
    `${source}: ${path.length > 0 ? `${path.join('.')}: ` : ''}${message}`,
  );
}

/** The index of the grade with a label in a scale; undefined if there is none. */
export function gradeOf({ grades }: GradeScale, label: string): number | undefined {
  const wanted = label.toLowerCase();
  const index = grades.findIndex(({ labels }) => labels.some((known) => known.toLowerCase() === wanted));
  return index < 0 ? undefined : index;
}

/** The names of the grades of a task by its id. */
export const gradeNamesOf =
  (tasks: readonly Task[]) =>
  (id: string): string[] =>
    tasks.find((task) => task.id === id)!.grades.map(({ name }) => name);
