/**
 * Checks of what the header says of the pixels, before anything is allocated: a damaged header may ask for
 * gigabytes.
 */
import { SpinegradError } from '../error.js';
import type { DicomHeader } from './types.js';

/** How pixel cells are laid out; checked by `pixelLayout`. */
export interface PixelLayout {
  rows: number;
  columns: number;
  frames: number;
  bitsAllocated: 8 | 16;
  bitsStored: number;
  highBit: number;
  signed: boolean;
  monochrome1: boolean;
}

export interface PixelCells {
  bytes: Uint8Array;
  /** Size of a cell; a codestream of 8 bits may fill a file whose header says 16. */
  bitsAllocated: 8 | 16;
  littleEndian: boolean;
}

/** Far above any MR or CT slice; a frame beyond it is a damaged header, or not of our kind. */
const MAX_FRAME_PIXELS = 2 ** 26;

/**
 * Layout of the pixel cells, or a clear refusal.
 *
 * @throws SpinegradError ERR_DICOM_NO_PIXELS, ERR_DICOM_UNSUPPORTED
 */
export function pixelLayout(header: DicomHeader): PixelLayout {
  const { path, rows, columns, frames, samplesPerPixel, photometricInterpretation } = header;
  const { bitsAllocated, bitsStored, highBit, signed } = header;
  if (!header.hasPixelData || !rows || !columns) {
    const found = header.hasPixelData ? `${rows ?? 'no'} rows, ${columns ?? 'no'} columns` : 'no (7FE0,0010)';
    throw new SpinegradError('ERR_DICOM_NO_PIXELS', `${path}: holds no image: ${found}`);
  }
  const refuse = (found: string, expected: string) =>
    new SpinegradError('ERR_DICOM_UNSUPPORTED', `${path}: has ${found}; ${expected} can be read`);
  const photometric = photometricInterpretation ?? 'MONOCHROME2';
  if (samplesPerPixel !== 1 || !photometric.startsWith('MONOCHROME')) {
    throw refuse(`${samplesPerPixel} samples per pixel (${photometric})`, 'only single-channel grey images');
  }
  if ((bitsAllocated !== 8 && bitsAllocated !== 16) || bitsStored === null || highBit === null) {
    throw refuse(`${bitsAllocated ?? 'no'} bits allocated`, 'only 8 and 16');
  }
  if (bitsStored < 1 || bitsStored > bitsAllocated || highBit >= bitsAllocated || highBit < bitsStored - 1) {
    throw refuse(
      `${bitsStored} bits stored with high bit ${highBit} in cells of ${bitsAllocated}`,
      'only bits that fit their cell',
    );
  }
  if (!Number.isInteger(frames) || frames < 1) throw refuse(`${frames} frames`, 'only one or more');
  if (rows * columns > MAX_FRAME_PIXELS) {
    throw refuse(`${rows} x ${columns} pixels`, `only frames of up to ${MAX_FRAME_PIXELS} pixels`);
  }
  const monochrome1 = photometric === 'MONOCHROME1';
  return { rows, columns, frames, bitsAllocated, bitsStored, highBit, signed, monochrome1 };
}
