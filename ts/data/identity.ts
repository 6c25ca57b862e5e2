/** What identifies the patient of images: no two studies of a data set may share it. */
import { createHash } from 'node:crypto';
import type { ImageStack } from './images.js';

/**
 * The Study Instance UIDs of DICOM files, or the pixels of another file. An image of one grey value identifies no patient.
 */
export async function identitiesOf({ slices, studyUids, isDicom }: ImageStack): Promise<string[]> {
  if (isDicom) return studyUids.map((uid) => `Study Instance UID (0020,000D) ${uid}`);
  const hash = createHash('sha256');
  let isVaried = false;
  for (const slice of slices) {
    const { rows, columns, pixels } = await slice.read();
    hash.update(`${rows} x ${columns} `);
    hash.update(new Uint8Array(pixels.buffer, pixels.byteOffset, pixels.byteLength));
    isVaried ||= pixels.some((value) => value !== pixels[0]);
  }
  return isVaried ? [`pixels of SHA-256 ${hash.digest('hex')}`] : [];
}
