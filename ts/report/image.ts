import { encode } from 'fast-png';
import { heatOver } from '../io/heat.js';
import type { ReportImage } from './types.js';

/** The image as an 8-bit grey PNG in a data URI, so the page needs no other file. */
export function pngDataUri({ pixels, width, height }: ReportImage): string {
  const data = Uint8Array.from(pixels, (value) => value >> 8);
  const png = encode({ width, height, data, channels: 1, depth: 8 });
  return `data:image/png;base64,${Buffer.from(png).toString('base64')}`;
}

/** The image with a map from 0 to 1 over it, as an RGB PNG in a data URI. */
export function heatDataUri({ pixels, width, height }: ReportImage, map: Float32Array): string {
  const png = encode({ width, height, data: heatOver(pixels, map), channels: 3, depth: 8 });
  return `data:image/png;base64,${Buffer.from(png).toString('base64')}`;
}
