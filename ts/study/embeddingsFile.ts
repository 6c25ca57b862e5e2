/**
 * `embeddings.safetensors` of a cell: the embeddings of its test discs on predicted crops, as the tensor `embeddings`
 * [discs, features]. The metadata `discs` has study, level and side of each row as JSON.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { SpinegradError } from '../error.js';
import { parseJson } from '../io/json.js';
import { readSafetensorsFile, writeSafetensors } from '../io/safetensors.js';

const FILE = 'embeddings.safetensors';

const discsSchema = z.array(
  z.strictObject({ study: z.string(), level: z.string(), side: z.string().nullable() }),
);

export interface CellEmbeddings {
  /** One per row. */
  discs: z.output<typeof discsSchema>;
  /** [discs, features] */
  values: Float32Array;
  features: number;
}

export async function writeEmbeddings(
  dir: string,
  { discs, values, features }: CellEmbeddings,
): Promise<void> {
  const tensors = { embeddings: { shape: [discs.length, features], data: values } };
  await writeSafetensors(join(dir, FILE), tensors, { discs: JSON.stringify(discs) });
}

/**
 * @returns undefined if the cell has no such file
 * @throws SpinegradError ERR_STUDY_FILE if the file is damaged; ERR_FILE_READ, ERR_SAFETENSORS_*
 */
export async function readEmbeddings(dir: string): Promise<CellEmbeddings | undefined> {
  const path = join(dir, FILE);
  if (!existsSync(path)) return undefined;
  const file = await readSafetensorsFile(path);
  try {
    const stored = file.tensors.get('embeddings');
    const discs = discsSchema.parse(parseJson(file.metadata.discs!));
    if (stored?.dtype === 'F32' && stored.shape.length === 2 && stored.shape[0] === discs.length)
      return { discs, values: stored.data, features: stored.shape[1]! };
  } catch {
    // Reported below.
  }
  throw new SpinegradError(
    'ERR_STUDY_FILE',
    `${path}: found no table of embeddings with one row per disc; delete the file, and the report has no map of the cell`,
  );
}
