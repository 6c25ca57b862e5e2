import { createHash } from 'node:crypto';
import type { Bank } from './types.js';

/** sha256 of pixels, records and settings, without the folder, `skipped` and `notices`. */
export function fingerprint({ manifest, rois, slices }: Bank): string {
  const { tasks, series, roi, sliceSize, split } = manifest;
  const records = JSON.stringify([tasks, series, roi, sliceSize, split, manifest.rois, manifest.slices]);
  return createHash('sha256').update(bytes(rois)).update(bytes(slices)).update(records).digest('hex');
}

const bytes = (data: Uint16Array) => new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
