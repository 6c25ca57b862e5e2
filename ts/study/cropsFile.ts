/**
 * crops.safetensors of a localizer: the crops at the centres that it found on the validation and test slices of its fold. The
 * cells of the fold grade these crops. They do not depend on the label fraction: it hides grades and moves no site.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import type { BankManifest, Split } from '../data/types.js';
import { SpinegradError } from '../error.js';
import { parseJson } from '../io/json.js';
import { readSafetensorsFile, writeSafetensors } from '../io/safetensors.js';
import type { PredictedDisc, PredictedSet } from '../training/predictedSet.js';
import type { RoiDataset } from '../training/roiDataset.js';
import { requireGraded } from '../training/taskHeads.js';

const FILE = 'crops.safetensors';

const SIDES_OF_SPLIT = ['validation', 'test'] as const satisfies readonly Split[];

type SideOfSplit = (typeof SIDES_OF_SPLIT)[number];

/** The graded discs of both sides of the split. */
export type FoldCrops = Record<SideOfSplit, PredictedSet>;

const discsSchema = z.array(
  z.strictObject({
    /** Number of the disc in the bank. */
    id: z.int().min(0),
    /** Rows of its crops, as `Slots`. */
    slots: z.array(z.int().min(0).nullable()),
    row: z.int().min(0),
    image: z.string(),
    centre: z.tuple([z.number(), z.number()]),
    centreMm: z.tuple([z.number(), z.number(), z.number()]).nullable(),
    localizationMm: z.number().nullable(),
    levelProbability: z.number().nullable(),
    flags: z.array(z.string()),
  }),
);

type StoredDisc = z.output<typeof discsSchema>[number];

/** @throws SpinegradError ERR_DISK_FULL, ERR_WRITE */
export async function writeCrops(dir: string, sets: FoldCrops): Promise<void> {
  const tensors = new Map<string, { shape: number[]; data: Uint16Array }>();
  const metadata: Record<string, string> = {};
  for (const side of SIDES_OF_SPLIT) {
    const { pixels, size } = sets[side].crops;
    tensors.set(side, { shape: [pixels.length / size ** 2, size, size], data: pixels });
    metadata[side] = JSON.stringify(storedDiscs(sets[side]));
  }
  await writeSafetensors(join(dir, FILE), tensors, metadata);
}

function storedDiscs({ discs, crops }: PredictedSet): StoredDisc[] {
  return discs.map(
    ({ disc, row, image, centre, centreMm, localizationMm, levelProbability, flags }, index) => ({
      id: disc.id,
      slots: [...crops.discs[index]!],
      row,
      image,
      centre: [centre[0], centre[1]],
      centreMm: centreMm && [centreMm[0], centreMm[1], centreMm[2]],
      localizationMm,
      levelProbability,
      flags,
    }),
  );
}

/**
 * Reads the discs that are graded in a view of the bank.
 *
 * @param manifest of the view
 * @param dataset of the view
 * @returns undefined if the folder has no such file, because an older version wrote it
 * @throws SpinegradError ERR_STUDY_FILE if the file is damaged; ERR_DATA_EMPTY if a task has no graded disc; ERR_FILE_READ,
 *   ERR_SAFETENSORS_*
 */
export async function readCrops(
  dir: string,
  manifest: BankManifest,
  dataset: RoiDataset,
): Promise<FoldCrops | undefined> {
  requireGraded(manifest, SIDES_OF_SPLIT);
  return await parseFile(dir, (storedOf): FoldCrops => {
    const setOf = (side: SideOfSplit): PredictedSet => {
      const { pixels, size, discs: stored } = storedOf(side);
      const slots: StoredDisc['slots'][] = [];
      const discs = dataset.graded(side).map((disc): PredictedDisc => {
        const { id: _, slots: own, ...place } = stored.get(disc.id)!;
        slots.push(own);
        return { disc, record: manifest.rois[disc.row]!, ...place };
      });
      return { discs, crops: { pixels, size, discs: slots } };
    };
    return { validation: setOf('validation'), test: setOf('test') };
  });
}

/** The crops of the test discs of a fold. */
export interface TestCrops {
  /** uint16 [crops, size, size] */
  pixels: Uint16Array;
  size: number;
  /** Row of the crop of the graded slice, by the number of the disc in the bank. */
  rows: ReadonlyMap<number, number>;
}

/**
 * Reads the crops of the test discs.
 *
 * @returns undefined if the folder has no such file
 * @throws SpinegradError ERR_STUDY_FILE if the file is damaged; ERR_FILE_READ, ERR_SAFETENSORS_*
 */
export async function readTestCrops(dir: string): Promise<TestCrops | undefined> {
  return await parseFile(dir, (storedOf) => {
    const { pixels, size, discs } = storedOf('test');
    return { pixels, size, rows: new Map([...discs].map(([id, { row }]) => [id, row])) };
  });
}

interface StoredSet extends Pick<TestCrops, 'pixels' | 'size'> {
  /** By number in the bank. */
  discs: ReadonlyMap<number, StoredDisc>;
}

/** What `parse` makes of the two sets of the file; undefined without the file. */
async function parseFile<T>(
  dir: string,
  parse: (storedOf: (side: SideOfSplit) => StoredSet) => T,
): Promise<T | undefined> {
  const path = join(dir, FILE);
  if (!existsSync(path)) return undefined;
  const { tensors, metadata } = await readSafetensorsFile(path);
  try {
    return parse((side) => {
      const { dtype, data, shape } = tensors.get(side)!;
      const [count, size, columns] = shape;
      const discs = discsSchema.parse(parseJson(metadata[side]!));
      const rows = discs.flatMap(({ row, slots }) => [row, ...slots]);
      if (dtype !== 'U16' || size !== columns || rows.some((row) => row !== null && row >= count!))
        throw new Error(`${side}: the discs do not fit the crops`);
      return { pixels: data, size: size!, discs: new Map(discs.map((disc) => [disc.id, disc])) };
    });
  } catch (cause) {
    throw new SpinegradError('ERR_STUDY_FILE', `${path}: is damaged; delete ${dir} and run the study again`, {
      cause,
    });
  }
}
