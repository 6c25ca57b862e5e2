/**
 * searched.json of a localizer: what it found on the validation and test slices of its fold. All cells of the fold cut their
 * crops there.
 */
import { join } from 'node:path';
import { z } from 'zod';
import { DISC_LEVELS } from '../anatomy.js';
import type { BankManifest } from '../data/types.js';
import { SpinegradError } from '../error.js';
import { writeFileAtomic } from '../io/atomic.js';
import { readText } from '../io/files.js';
import { parseJson } from '../io/json.js';
import { MEAN_PITCH_MM } from '../model/spineShape.js';
import { evaluatedSlice } from '../training/localize.js';
import type { SearchedSlice } from '../training/predictedPlaces.js';

const FILE = 'searched.json';

const slicesSchema = z.array(
  z.strictObject({
    /** Row of the slice in the bank. */
    row: z.int().min(0),
    // Files written before 2026-11-30 do not have it.
    pitchMm: z.number().positive().default(MEAN_PITCH_MM),
    found: z.array(
      z.strictObject({
        level: z.enum(DISC_LEVELS),
        point: z.tuple([z.number(), z.number()]),
        probability: z.number(),
        levelProbability: z.number(),
      }),
    ),
    doubts: z.array(z.string()),
  }),
);

const schema = z.strictObject({ validation: slicesSchema, test: slicesSchema });

/** The annotated slices of both sides of the split. */
export type Searched = Record<'validation' | 'test', SearchedSlice[]>;

export async function writeSearched(dir: string, { validation, test }: Searched): Promise<void> {
  const stored = { validation: storedSlices(validation), test: storedSlices(test) };
  await writeFileAtomic(join(dir, FILE), `${JSON.stringify(stored)}\n`);
}

function storedSlices(searched: readonly SearchedSlice[]): z.output<typeof slicesSchema> {
  return searched.map(({ record, pitchMm, found, doubts }) => ({
    row: record.row,
    pitchMm,
    found: found.map(({ level, point, probability, levelProbability }) => ({
      level,
      point: [point[0], point[1]],
      probability,
      levelProbability,
    })),
    doubts: [...doubts],
  }));
}

/**
 * @param manifest of the bank with the split of the fold
 * @throws SpinegradError ERR_FILE_*; ERR_STUDY_FILE if the file is damaged
 */
export async function readSearched(dir: string, manifest: BankManifest): Promise<Searched> {
  const path = join(dir, FILE);
  const text = await readText(path);
  try {
    const { validation, test } = schema.parse(parseJson(text));
    const searched = (slices: typeof test) =>
      slices.map(({ row, pitchMm, found, doubts }) => {
        const record = manifest.slices[row]!;
        // `doubts` states already if the slice is not lumbar.
        return { record, pitchMm, ...evaluatedSlice(record, { discs: found, doubts, lumbar: true }) };
      });
    return { validation: searched(validation), test: searched(test) };
  } catch (cause) {
    throw new SpinegradError('ERR_STUDY_FILE', `${path}: is damaged; delete ${dir} and run the study again`, {
      cause,
    });
  }
}
