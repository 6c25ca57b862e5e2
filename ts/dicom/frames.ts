/** Where the frames of a file lie: the cells of native pixel data, the fragments of encapsulated data. */
import type { DataSet, Element } from 'dicom-parser';
import { SpinegradError } from '../error.js';
import { EXPLICIT_BIG_ENDIAN, truncated } from './dataset.js';
import type { PixelLayout } from './pixels.js';

export interface Cells {
  bytes: Uint8Array;
  littleEndian: boolean;
}

/** Cells of each frame of native (uncompressed) pixel data. */
export function* nativeFrames(
  dataSet: DataSet,
  element: Element,
  layout: PixelLayout,
  transferSyntax: string,
  path: string,
): Generator<Cells> {
  const frameBytes = layout.rows * layout.columns * (layout.bitsAllocated / 8);
  const expected = frameBytes * layout.frames;
  const found = Math.min(element.length, dataSet.byteArray.length - element.dataOffset);
  if (element.encapsulatedPixelData || element.hadUndefinedLength) {
    throw new SpinegradError(
      'ERR_DICOM_DECODE',
      `${path}: transfer syntax ${transferSyntax} cannot hold fragments`,
    );
  }
  if (found < expected) {
    const { rows, columns, frames } = layout;
    throw truncated(
      path,
      `${found} bytes of pixels, expected ${expected} (${frames} x ${rows} x ${columns})`,
    );
  }
  const littleEndian = transferSyntax !== EXPLICIT_BIG_ENDIAN;
  for (let frame = 0; frame < layout.frames; frame++) {
    const start = element.dataOffset + frame * frameBytes;
    yield { bytes: dataSet.byteArray.subarray(start, start + frameBytes), littleEndian };
  }
}
