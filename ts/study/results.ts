/** result.json and failed.json of a unit: how it ended. */
import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { SpinegradError } from '../error.js';
import { makeFolder, writeFileAtomic } from '../io/atomic.js';
import { readTextSync } from '../io/files.js';
import { parseJson } from '../io/json.js';
import { programSchema, provenance } from '../io/provenance.js';
import type { Unit } from './units.js';

const resultSchema = z.strictObject({
  id: z.string(),
  /** Time of the work in seconds, over all resumed parts where they are known. */
  seconds: z.number().min(0),
  host: z.string(),
  /** Device with its processor and threads; the bits depend on it. Null for the bank. */
  device: z.string().nullable(),
  program: programSchema,
  /** Of the bank: what identifies its content. */
  fingerprint: z.string().nullable(),
  /** Of a cell: its optimizer steps, and the epoch whose weights predict. */
  arm: z
    .strictObject({
      steps: z.strictObject({ finetuning: z.int().min(0), pretraining: z.int().min(0) }),
      bestEpoch: z.int().min(0),
      validationBalancedAccuracy: z.number(),
    })
    .nullable(),
});

const failureSchema = z.strictObject({
  id: z.string(),
  code: z.string(),
  message: z.string(),
  host: z.string(),
  date: z.iso.datetime(),
});

export type Result = z.output<typeof resultSchema>;
export type Failure = z.output<typeof failureSchema>;

const resultPath = ({ dir }: Pick<Unit, 'dir'>) => join(dir, 'result.json');
const failurePath = ({ dir }: Pick<Unit, 'dir'>) => join(dir, 'failed.json');

export const isDone = (unit: Pick<Unit, 'dir'>): boolean => existsSync(resultPath(unit));

/** The result of a complete unit; undefined if it is not complete. */
export const readResult = (unit: Pick<Unit, 'dir'>): Result | undefined =>
  readUnitFile(resultPath(unit), resultSchema);

/** Why a unit failed last; undefined if it did not, or if it is complete. */
export const readFailure = (unit: Pick<Unit, 'dir'>): Failure | undefined =>
  isDone(unit) ? undefined : readUnitFile(failurePath(unit), failureSchema);

/** Marks a unit as complete; its other files are written before. */
export async function writeResult(
  unit: Unit,
  result: Omit<Result, 'id' | 'host' | 'program'>,
): Promise<void> {
  const stored: Result = { id: unit.id, host: hostname(), program: provenance(), ...result };
  await rm(failurePath(unit), { force: true });
  await write(resultPath(unit), stored);
}

export async function writeFailure(unit: Unit, error: unknown): Promise<Failure> {
  const known = error instanceof SpinegradError;
  const failure = {
    id: unit.id,
    code: known ? error.code : 'ERR_INTERNAL',
    message: error instanceof Error ? error.message : String(error),
    host: hostname(),
    date: new Date().toISOString(),
  };
  await makeFolder(unit.dir);
  await write(failurePath(unit), failure);
  return failure;
}

const write = (path: string, value: unknown) => writeFileAtomic(path, `${JSON.stringify(value, null, 2)}\n`);

/**
 * Reads a JSON file of a unit; undefined if it has none.
 *
 * @throws SpinegradError ERR_STUDY_FILE for a file that spinegrad did not write; ERR_FILE_READ
 */
export function readUnitFile<T>(path: string, schema: z.ZodType<T>): T | undefined {
  if (!existsSync(path)) return undefined;
  const text = readTextSync(path);
  try {
    return schema.parse(parseJson(text));
  } catch (cause) {
    throw new SpinegradError(
      'ERR_STUDY_FILE',
      `${path}: is not a file that this version of spinegrad wrote; delete the folder and run the study again`,
      { cause },
    );
  }
}
