/** Reads a PNG image as a slice without geometry, which is assumed to be canonical (anterior left, superior up). */
import { readFile } from 'node:fs/promises';
import { convertIndexedToRgb, decode } from 'fast-png';
import { SpinegradError } from '../error.js';
import { readError } from '../io/files.js';
import { type SourceSlice, sliceOfPixels } from './series.js';

/**
 * Reads a PNG of 8 or 16 bits. Colours are converted to luminance (ITU-R BT.601); transparency is ignored.
 *
 * @param spacing between rows and between columns in mm, or null if unknown
 * @throws SpinegradError ERR_FILE_NOT_FOUND, ERR_FILE_READ, ERR_PNG
 */
export async function readPng(path: string, spacing: readonly [number, number] | null): Promise<SourceSlice> {
  const bytes = await readFile(path).catch((cause) => {
    throw readError(path, cause);
  });
  try {
    const image = decode(bytes);
    const { width, height, palette, depth } = image;
    if (palette === undefined && depth < 8)
      throw new Error(`found ${depth} bits per pixel, expected 8 or 16`);
    const data = palette === undefined ? image.data : convertIndexedToRgb(image);
    const channels = data.length / (width * height);
    const pixels = new Float32Array(width * height);
    for (let i = 0; i < pixels.length; i++) {
      const [red = 0, green = 0, blue = 0] = data.subarray(i * channels, (i + 1) * channels);
      pixels[i] = channels < 3 ? red : 0.299 * red + 0.587 * green + 0.114 * blue;
    }
    return sliceOfPixels(path, { rows: height, columns: width, pixels }, spacing);
  } catch (cause) {
    throw new SpinegradError('ERR_PNG', `${path}: not a readable PNG file: ${(cause as Error).message}`, {
      cause,
    });
  }
}
