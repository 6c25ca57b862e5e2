/**
 * The folder of many predictions. Each process appends one JSON line per study to a file of its own, so that a kill loses at
 * most the studies in work, and the next call continues where the last ended.
 *
 *     predictions.json             the model, and the version of the format
 *     predictions-1-of-2.jsonl     a Prediction or a FailedStudy per line
 *     grades.csv                   all grades of all lines
 */
import { existsSync } from 'node:fs';
import { appendFile, readdir, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { SIDES } from '../anatomy.js';
import { SpinegradError } from '../error.js';
import { makeFolder, writeError, writeFileAtomic } from '../io/atomic.js';
import { readBytes, readText } from '../io/files.js';
import { parseJson } from '../io/json.js';
import { type CsvValue, formatCsv } from '../io/writeCsv.js';
import type { Model } from '../model/bundle.js';
import { isFailed, type StudyOutcome } from './predictMany.js';

const VERSION = 1;

const GRADE_COLUMNS = [
  'level',
  'task',
  'side',
  'grade',
  'probability',
  'set',
  'doubtful',
  'novelty',
  'file',
  'x',
  'y',
];

const failedSchema = z.strictObject({ input: z.string(), code: z.string(), message: z.string() });

const gradeSchema = z
  .looseObject({
    task: z.string(),
    side: z.enum(SIDES).nullable(),
    grade: z.string(),
    probabilities: z.record(z.string(), z.number()),
    set: z.array(z.string()),
    doubtful: z.boolean(),
    novelty: z.number(),
    image: z.looseObject({ file: z.string(), x: z.number(), y: z.number() }),
  })
  .refine(({ grade, probabilities }) => Object.hasOwn(probabilities, grade), {
    path: ['grade'],
    message: 'expected a grade with a probability',
  });

/** What `grades.csv` shows of a `Prediction`. */
const predictionSchema = z.looseObject({
  input: z.string(),
  levels: z.array(z.looseObject({ level: z.string(), grades: z.array(gradeSchema) })),
});

/** A line of a file. */
const outcomeSchema = z.union([failedSchema, predictionSchema]);
type StoredOutcome = z.output<typeof outcomeSchema>;

export class PredictionFolder {
  private constructor(
    readonly dir: string,
    private readonly file: string,
  ) {}

  /**
   * Opens a folder, or creates it.
   *
   * @param part of this process, from 1, and the number of processes
   * @throws SpinegradError ERR_PREDICTIONS if the folder has predictions of another model; ERR_FILE_*, ERR_WRITE,
   *   ERR_DISK_FULL
   */
  static async open(
    dir: string,
    { description, folder, arms }: Model,
    part: { index: number; count: number },
  ): Promise<PredictionFolder> {
    await makeFolder(dir);
    const path = join(dir, 'predictions.json');
    const expected = JSON.stringify({ version: VERSION, model: description.sha256, arm: arms[0]!.name });
    if (existsSync(path)) {
      const found = (await readText(path)).trim();
      if (found !== expected)
        throw new SpinegradError(
          'ERR_PREDICTIONS',
          `${path}: found ${found}; expected ${expected} for the model ${folder}; choose another --out`,
        );
    } else await writeFileAtomic(path, `${expected}\n`);
    const file = join(dir, `predictions-${part.index}-of-${part.count}.jsonl`);
    await removePartialLine(file);
    return new PredictionFolder(dir, file);
  }

  /**
   * The outcomes of all processes; of a study that was tried again, the last one.
   *
   * @throws SpinegradError ERR_PREDICTIONS for a damaged line; ERR_FILE_READ
   */
  async read(): Promise<Map<string, StoredOutcome>> {
    const outcomes = new Map<string, StoredOutcome>();
    const names = (await readdir(this.dir)).filter((name) => /^predictions-\d+-of-\d+\.jsonl$/.test(name));
    for (const name of names.sort()) {
      for (const outcome of await readLines(join(this.dir, name))) {
        const known = outcomes.get(outcome.input);
        if (known === undefined || isFailed(known)) outcomes.set(outcome.input, outcome);
      }
    }
    return outcomes;
  }

  /** @throws SpinegradError ERR_WRITE, ERR_DISK_FULL */
  async append(outcome: StudyOutcome): Promise<void> {
    await appendFile(this.file, `${JSON.stringify(outcome)}\n`).catch((cause) => {
      throw writeError(this.file, cause);
    });
  }

  /** Writes grades.csv: a line per grade, and one with `error` per study that was not graded. */
  async writeGrades(): Promise<void> {
    const outcomes = [...(await this.read()).values()].sort((a, b) => (a.input < b.input ? -1 : 1));
    const rows = outcomes.flatMap((outcome): CsvValue[][] =>
      isFailed(outcome)
        ? [[outcome.input, ...GRADE_COLUMNS.map(() => null), outcome.code]]
        : gradeRows(outcome).map((row) => [outcome.input, ...row, null]),
    );
    const columns = ['input', ...GRADE_COLUMNS, 'error'];
    await writeFileAtomic(join(this.dir, 'grades.csv'), formatCsv(columns, rows));
  }
}

/** A row of GRADE_COLUMNS per grade. */
const gradeRows = ({ levels }: z.output<typeof predictionSchema>): CsvValue[][] =>
  levels.flatMap(({ level, grades }) =>
    grades.map(({ task, side, grade, probabilities, set, doubtful, novelty, image: { file, x, y } }) => [
      ...[level, task, side, grade, probabilities[grade]!, set.join('|'), String(doubtful), novelty],
      ...[file, x, y],
    ]),
  );

/** A process that was killed may have left a part of a line. */
async function removePartialLine(path: string): Promise<void> {
  if (!existsSync(path)) return;
  const text = await readBytes(path);
  const end = text.lastIndexOf('\n') + 1;
  if (end < text.length) await truncate(path, end);
}

async function readLines(path: string): Promise<StoredOutcome[]> {
  const text = await readText(path);
  // Another process may be writing the last line.
  const lines = text.slice(0, text.lastIndexOf('\n') + 1).split('\n');
  return lines.flatMap((line, index): StoredOutcome[] => {
    if (line === '') return [];
    try {
      return [outcomeSchema.parse(parseJson(line))];
    } catch (cause) {
      throw new SpinegradError(
        'ERR_PREDICTIONS',
        `${path}: line ${index + 1}: is not the outcome of a study; remove it, and its study is graded again`,
        { cause },
      );
    }
  });
}
