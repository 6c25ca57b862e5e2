/** The layout of Pixel Data (7FE0,0010), checked before anything is allocated: a damaged header can state gigabytes. */
import { SpinegradError } from '../error.js';
import { checkImageSize } from '../io/imageLimit.js';
import type { DicomHeader } from './types.js';

/** Layout of the pixel cells, checked by `pixelLayout`. */
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

/** The pixel cells of one frame (PS3.5 section 8.1.1). */
export interface PixelCells {
  bytes: Uint8Array;
  /** Size of a cell. A codec can return cells of 8 bits although Bits Allocated (0028,0100) is 16. */
  bitsAllocated: 8 | 16;
  littleEndian: boolean;
}

/**
 * Rows (0028,0010) and Columns (0028,0011) of the image in a file.
 *
 * @throws SpinegradError ERR_DICOM_NO_PIXELS if the file has no image
 */
export function imageSize({ path, hasPixelData, rows, columns }: DicomHeader): {
  rows: number;
  columns: number;
} {
  if (hasPixelData && rows && columns) return { rows, columns };
  const missing = hasPixelData ? 'Rows (0028,0010) or Columns (0028,0011)' : 'Pixel Data (7FE0,0010)';
  throw new SpinegradError('ERR_DICOM_NO_PIXELS', `${path}: holds no image: ${missing} is missing`);
}

/**
 * The layout that a header describes.
 *
 * @throws SpinegradError ERR_DICOM_NO_PIXELS if there is no image, ERR_DICOM_UNSUPPORTED if it cannot be read, ERR_IMAGE_LIMIT
 *   if it is too large
 */
export function pixelLayout(header: DicomHeader): PixelLayout {
  const { rows, columns } = imageSize(header);
  const { path, frames, samplesPerPixel, bitsAllocated, bitsStored, highBit, signed } = header;
  const unsupported = (found: string, expected: string) =>
    new SpinegradError('ERR_DICOM_UNSUPPORTED', `${path}: ${found}; expected ${expected}`);
  const photometric = header.photometricInterpretation ?? 'MONOCHROME2';
  if (samplesPerPixel !== 1 || !photometric.startsWith('MONOCHROME')) {
    const found = `${photometric}, Samples per Pixel (0028,0002) ${samplesPerPixel}`;
    throw unsupported(`Photometric Interpretation (0028,0004) is ${found}`, 'MONOCHROME1 or MONOCHROME2, 1');
  }
  if ((bitsAllocated !== 8 && bitsAllocated !== 16) || bitsStored === null || highBit === null) {
    throw unsupported(`Bits Allocated (0028,0100) is ${bitsAllocated ?? 'missing'}`, '8 or 16');
  }
  if (bitsStored < 1 || bitsStored > bitsAllocated || highBit >= bitsAllocated || highBit < bitsStored - 1) {
    const found = `${bitsStored}, High Bit (0028,0102) ${highBit}`;
    throw unsupported(`Bits Stored (0028,0101) is ${found}`, `bits that fit into ${bitsAllocated}`);
  }
  if (!Number.isInteger(frames) || frames < 1) {
    throw unsupported(`Number of Frames (0028,0008) is ${frames}`, '1 or more');
  }
  checkImageSize(path, [columns, rows, frames], bitsAllocated / 8);
  const monochrome1 = photometric === 'MONOCHROME1';
  return { rows, columns, frames, bitsAllocated, bitsStored, highBit, signed, monochrome1 };
}
