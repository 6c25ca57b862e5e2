/**
 * The ROI bank: a folder with `bank.safetensors` (uint16 `rois` [rows, size, size] and `slices` [rows, size, size]),
 * `manifest.json` (the origin of each row) and `contact-sheet.png`. The manifest is written last: a folder with a manifest is
 * a complete bank.
 */
import { join } from 'node:path';
import { type Skipped, SpinegradError } from '../error.js';
import { makeFolder, writeFileAtomic } from '../io/atomic.js';
import { readText } from '../io/files.js';
import { parseJson } from '../io/json.js';
import { readSafetensors, writeSafetensors } from '../io/safetensors.js';
import { formatCsv } from '../io/writeCsv.js';
import { contactSheet } from './contactSheet.js';
import { type CutOptions, cutBank } from './cutBank.js';
import { fingerprint } from './fingerprint.js';
import { manifestSchema } from './manifest.js';
import type { Bank, BankManifest } from './types.js';

export type { Bank } from './types.js';

export interface PrepareOptions extends CutOptions {
  /** Folder of the bank; created if missing. */
  out: string;
}

const FILES = { tensors: 'bank.safetensors', manifest: 'manifest.json', sheet: 'contact-sheet.png' };

/**
 * Cuts the bank of a data folder and writes it. Rows, files and studies that cannot be used are listed in `skipped` of
 * the manifest, and what was corrected in `notices`.
 *
 * @example
 * await prepareBank({ data: 'rsna', out: 'bank' });
 * const { manifest, rois } = await readBank('bank');
 *
 * @throws SpinegradError the errors of `cutBank`; ERR_BANK_EMPTY if no disc remains; ERR_WRITE, ERR_DISK_FULL; nothing is
 *   written then
 */
export async function prepareBank(options: PrepareOptions): Promise<BankManifest> {
  await makeFolder(options.out);
  const bank = await cutBank(options);
  const { dataDir, rois, skipped } = bank.manifest;
  if (rois.length === 0) {
    const reasons = countReasons(skipped).map(([code, n]) => `${code} x ${n}`);
    throw new SpinegradError(
      'ERR_BANK_EMPTY',
      `${dataDir}: no disc could be cut (${reasons.join(', ') || 'the data set lists none'}); ` +
        `${skipped[0] ? `first: ${skipped[0].path}: ${skipped[0].message}` : 'check the folder'}`,
    );
  }
  await writeBank(options.out, bank);
  return bank.manifest;
}

/**
 * Reads a bank and checks manifest, shapes and fingerprint.
 *
 * @throws SpinegradError ERR_BANK_MISSING, ERR_BANK_MANIFEST, ERR_BANK_SHAPE, ERR_BANK_FINGERPRINT, ERR_FILE_READ,
 *   ERR_SAFETENSORS_*
 */
export async function readBank(folder: string): Promise<Bank> {
  const path = join(folder, FILES.manifest);
  const text = await readText(path).catch((cause: SpinegradError) => {
    if (cause.code !== 'ERR_FILE_NOT_FOUND') throw cause;
    const advice = 'create a bank with `spinegrad prepare --data DIR --out BANK`';
    throw new SpinegradError('ERR_BANK_MISSING', `${cause.message}; ${advice}`, { cause });
  });
  const manifest = parseManifest(path, text);
  const tensors = await readSafetensors(join(folder, FILES.tensors));
  const pixels = (name: 'rois' | 'slices', size: number) => {
    const [tensor, shape] = [tensors.get(name), [manifest[name].length, size, size]];
    if (tensor?.dtype !== 'U16' || `${tensor.shape}` !== `${shape}`) {
      const found = tensor === undefined ? 'no such tensor' : `${tensor.dtype} [${tensor.shape}]`;
      throw new SpinegradError(
        'ERR_BANK_SHAPE',
        `${join(folder, FILES.tensors)}: ${name}: found ${found}, expected U16 [${shape}]; prepare the bank again`,
      );
    }
    return tensor.data;
  };
  const bank = {
    manifest,
    rois: pixels('rois', manifest.roi.size),
    slices: pixels('slices', manifest.sliceSize),
  };
  const found = fingerprint(bank);
  if (found !== manifest.fingerprint) {
    throw new SpinegradError(
      'ERR_BANK_FINGERPRINT',
      `${join(folder, FILES.tensors)}: the pixels do not match ${path}: found fingerprint ${found.slice(0, 12)}, expected ` +
        `${manifest.fingerprint.slice(0, 12)}; prepare the bank again`,
    );
  }
  return bank;
}

export function parseManifest(path: string, text: string): BankManifest {
  let manifest: unknown;
  try {
    manifest = parseJson(text);
  } catch (cause) {
    throw new SpinegradError('ERR_BANK_MANIFEST', `${path}: is not JSON; prepare the bank again`, { cause });
  }
  const { error, data } = manifestSchema.safeParse(manifest);
  if (error !== undefined) {
    const { path: field, message } = error.issues[0]!;
    throw new SpinegradError(
      'ERR_BANK_MANIFEST',
      `${path}: ${field.join('.') || 'the manifest'}: ${message}; prepare the bank again`,
    );
  }
  for (const { row, grades } of data.rois) {
    data.tasks.forEach((task, index) => {
      const grade = grades[index];
      if (grade === null || (grade !== undefined && grade < task.grades.length)) return;
      throw new SpinegradError(
        'ERR_BANK_MANIFEST',
        `${path}: row ${row}: found grade ${grade}, expected one of the ${task.grades.length} grades of task ${task.id}; ` +
          'prepare the bank again',
      );
    });
  }
  return manifest as BankManifest;
}

async function writeBank(folder: string, bank: Bank): Promise<void> {
  const { manifest, rois, slices } = bank;
  const { size } = manifest.roi;
  await writeSafetensors(join(folder, FILES.tensors), {
    rois: { shape: [manifest.rois.length, size, size], data: rois },
    slices: { shape: [manifest.slices.length, manifest.sliceSize, manifest.sliceSize], data: slices },
  });
  await writeFileAtomic(join(folder, FILES.sheet), contactSheet(bank));
  await writeFileAtomic(join(folder, FILES.manifest), `${JSON.stringify(manifest)}\n`);
}

/** Writes a table of the studies and their sides of the split, `split.csv`. */
export async function writeSplit(path: string, { rois, slices }: BankManifest): Promise<void> {
  const studies = new Map([...rois, ...slices].map(({ studyId, split }) => [studyId, split]));
  await writeFileAtomic(path, formatCsv(['study', 'split'], [...studies]));
}

/** The number of entries per code, most frequent first. */
export function countReasons(skipped: readonly Skipped[]): [code: Skipped['code'], count: number][] {
  const counts = new Map<Skipped['code'], number>();
  for (const { code } of skipped) counts.set(code, (counts.get(code) ?? 0) + 1);
  return [...counts].sort((a, b) => b[1] - a[1]);
}
