/**
 * The limits of all image readers. A file of kilobytes can state or unpack to gigabytes, so a reader checks the header before it
 * unpacks, and bounds what it unpacks by the size that the header states.
 */
import { statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { SpinegradError } from '../error.js';
import { checkKind, readError } from './files.js';

/** Maximum size of a file on the disk, in bytes. */
export const MAX_FILE_BYTES = 2 ** 30;

/** Maximum number of pixels of a file, in all its slices. The largest series of SPIDER has about 0.05 * 10^9. */
export const MAX_PIXELS = 2 ** 27;

/** Maximum number of pixels along each axis, and of slices or frames. Each slice is an object with a geometry. */
export const MAX_SIDE = 2 ** 12;

/** Maximum size of the pixels of a file in bytes, unpacked. */
export const MAX_PIXEL_BYTES = 2 ** 29;

/**
 * Checks the size that the header of an image states.
 *
 * @param extent numbers of pixels along the axes
 * @throws SpinegradError ERR_IMAGE_LIMIT
 */
export function checkImageSize(path: string, extent: readonly number[], bytesPerPixel: number): void {
  const pixels = extent.reduce((product, length) => product * length, 1);
  const found = `an image of ${extent.join(' x ')} pixels`;
  checkPixels(path, pixels, found);
  if (Math.max(...extent) > MAX_SIDE) throw limitError(path, found, `${MAX_SIDE} pixels along each axis`);
  const bytes = pixels * bytesPerPixel;
  if (bytes > MAX_PIXEL_BYTES) throw limitError(path, `${found}, ${bytes} bytes`, `${MAX_PIXEL_BYTES} bytes`);
}

/**
 * Checks the number of pixels of a file or of the files of a series, which are in memory at once.
 *
 * @param found what has so many pixels, for the message
 * @throws SpinegradError ERR_IMAGE_LIMIT
 */
export function checkPixels(path: string, pixels: number, found: string): void {
  if (pixels > MAX_PIXELS) throw limitError(path, found, `${MAX_PIXELS} pixels`);
}

/**
 * Refuses what is no regular file, because reading a pipe would wait for a writer, and a file that is too large.
 *
 * @throws SpinegradError ERR_FILE_NOT_FOUND, ERR_FILE_READ, ERR_IMAGE_LIMIT
 */
export function checkImageFile(path: string): void {
  try {
    const found = statSync(path);
    checkKind(path, found);
    if (found.size > MAX_FILE_BYTES)
      throw limitError(path, `a file of ${found.size} bytes`, `${MAX_FILE_BYTES} bytes`);
  } catch (cause) {
    throw readError(path, cause);
  }
}

/**
 * The bytes of an image file.
 *
 * @throws SpinegradError ERR_FILE_NOT_FOUND, ERR_FILE_READ, ERR_IMAGE_LIMIT
 */
export async function readImageFile(path: string): Promise<Buffer> {
  checkImageFile(path);
  return readFile(path).catch((cause) => {
    throw readError(path, cause);
  });
}

function limitError(path: string, found: string, limit: string): SpinegradError {
  return new SpinegradError(
    'ERR_IMAGE_LIMIT',
    `${path}: found ${found}, expected at most ${limit}; crop or resample the image`,
  );
}
