/**
 * `predictions.csv`: one line per task, arm, kind of crop and test disc. All figures of a run follow from it, and it opens
 * in pandas and in spreadsheets. Grades are numbers from 0 as in the task's scale. The columns `p_0`, `p_1`, … are their
 * probabilities; a task with fewer grades leaves the last ones empty. `set` has the grades of the conformal set, separated by
 * spaces.
 */
import { type Point, SIDES, type Side } from '../anatomy.js';
import { type CsvValue, formatCsv } from '../io/writeCsv.js';
import { argmax } from './metrics.js';
import { type Fields, FLAG_SEPARATOR, parseProbabilities, probabilityColumns, readTable } from './table.js';
import type { DiscTrust } from './types.js';

/** `predicted`: the crop is centred on the localizer's disc centre; `annotated`: on the readers'. */
export const CROPS = ['predicted', 'annotated'] as const;
export type Crops = (typeof CROPS)[number];

export interface Prediction {
  /** Id of the task. */
  task: string;
  /** Name of the arm. */
  arm: string;
  crops: Crops;
  /** Study (patient): the cluster of the bootstrap. */
  study: string;
  level: string;
  side: Side | null;
  /** Index of the readers' grade. */
  truth: number;
  /** Of each grade, calibrated if there is `trust`; they sum to 1. */
  probabilities: number[];
  /** Undefined in a file without these columns. */
  trust?: DiscTrust | undefined;
  /** Image file relative to the data folder, and the centre of the crop in its pixels. */
  image: string;
  centre: Point;
  /** Distance of the localizer's centre from the annotated one; null without both. */
  localizationMm: number | null;
  /** Probability that the localizer named the level correctly; null if it did not find the disc. */
  levelProbability: number | null;
  /** Reasons for which the localizer doubts the slice. */
  flags: readonly string[];
}

const COLUMNS = ['task', 'arm', 'crops', 'study', 'level', 'side', 'truth', 'predicted'] as const;
const TRUST = ['temperature', 'set', 'set_coverage', 'novelty'] as const;
const ORIGIN = ['image', 'x', 'y', 'localization_mm', 'level_probability', 'flags'] as const;

/** Columns that every predictions file has. */
export const REQUIRED_COLUMNS: readonly string[] = [...COLUMNS, 'p_0', 'p_1', ...ORIGIN];

/**
 * The text of predictions.csv. The same predictions give the same bytes, and `readPredictions` returns the same numbers.
 *
 * @param gradeNames of a task; they are written next to the numbers of the grades
 */
export function formatPredictions(
  predictions: readonly Prediction[],
  gradeNames: (task: string) => readonly string[],
): string {
  const { columns, valuesOf } = predictionColumns(predictions, gradeNames);
  return formatCsv(columns, predictions.map(valuesOf));
}

/** The columns of a table of predictions, and the values of a prediction in them. */
export function predictionColumns(
  predictions: readonly Prediction[],
  gradeNames: (task: string) => readonly string[],
): { columns: string[]; valuesOf: (prediction: Prediction) => CsvValue[] } {
  const columns = probabilityColumns(predictions);
  const valuesOf = (row: Prediction): CsvValue[] => {
    const { task, truth, probabilities, trust, centre, flags } = row;
    const predicted = argmax(probabilities);
    const names = gradeNames(task);
    return [
      ...[task, row.arm, row.crops, row.study, row.level, row.side, truth, predicted],
      ...columns.map((_, grade) => probabilities[grade] ?? null),
      ...[names[truth]!, names[predicted]!],
      ...[trust?.temperature ?? null, trust?.set.join(' ') ?? null],
      ...[trust?.setCoverage ?? null, trust?.novelty ?? null],
      ...[row.image, ...centre, row.localizationMm, row.levelProbability, flags.join(FLAG_SEPARATOR)],
    ];
  };
  return { columns: [...COLUMNS, ...columns, 'truth_name', 'predicted_name', ...TRUST, ...ORIGIN], valuesOf };
}

/**
 * Reads predictions.csv.
 *
 * @throws SpinegradError ERR_PREDICTIONS for a value of another type; of `readCsv`
 */
export async function readPredictions(path: string): Promise<Prediction[]> {
  return await readTable(path, REQUIRED_COLUMNS, parsePrediction);
}

/** The prediction in one line of a table. */
export function parsePrediction(fields: Fields): Prediction {
  const { has, name, oneOf, number, optional, flags } = fields;
  const probabilities = parseProbabilities(fields);
  return {
    task: name('task'),
    arm: name('arm'),
    crops: oneOf('crops', CROPS),
    study: name('study'),
    level: name('level'),
    side: has('side') ? oneOf('side', SIDES) : null,
    truth: number('truth'),
    probabilities,
    trust: has('temperature') ? parseTrust(fields, probabilities.length) : undefined,
    image: name('image'),
    centre: [number('x'), number('y')],
    localizationMm: optional('localization_mm'),
    levelProbability: optional('level_probability'),
    flags: flags('flags'),
  };
}

function parseTrust({ number, fraction, wholeNumbers }: Fields, grades: number): DiscTrust {
  return {
    temperature: number('temperature'),
    set: wholeNumbers('set', grades),
    setCoverage: fraction('set_coverage'),
    novelty: number('novelty'),
  };
}
