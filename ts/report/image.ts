import { encode } from 'fast-png';
import type { ReportImage } from './types.js';

/** The image as an 8-bit grey PNG in a data URI, so the page needs no other file. */
export function pngDataUri({ pixels, width, height }: ReportImage): string {
  const data = Uint8Array.from(pixels, (value) => value >> 8);
  const png = encode({ width, height, data, channels: 1, depth: 8 });
  return `data:image/png;base64,${Buffer.from(png).toString('base64')}`;
}
