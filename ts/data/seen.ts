/** Recognises the images of a training in another data folder. Ids do not: two data sets can use the same ones. */
import { createHash } from 'node:crypto';
import type { Bank, Split } from './types.js';

const TRAINED: readonly Split[] = ['train', 'validation'];

/** SHA-256 of the slices for the localizer of the training and validation patients, sorted. */
export function trainedImages(bank: Bank): string[] {
  const hashes = sliceHashes(bank).filter(({ split }) => TRAINED.includes(split));
  return [...new Set(hashes.map(({ hash }) => hash))].sort();
}

/**
 * Ids of the studies that have an image of a training. The banks must have slices of the same size.
 *
 * @param images of `trainedImages`
 */
export function trainedStudies(bank: Bank, images: readonly string[]): string[] {
  const trained = new Set(images);
  const found = sliceHashes(bank).filter(({ hash }) => trained.has(hash));
  return [...new Set(found.map(({ studyId }) => studyId))];
}

function sliceHashes({ manifest, slices }: Bank) {
  const size = manifest.sliceSize ** 2;
  return manifest.slices.map(({ row, studyId, split }) => {
    const { buffer, byteOffset, byteLength } = slices.subarray(row * size, (row + 1) * size);
    const bytes = new Uint8Array(buffer, byteOffset, byteLength);
    return { studyId, split, hash: createHash('sha256').update(bytes).digest('hex') };
  });
}
