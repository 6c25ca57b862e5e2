import { z } from 'zod';

export const normalisationSchema = z.object({
  mean: z.number().min(0).max(1),
  std: z.number().min(1e-5).max(1),
});

/** Mean and standard deviation of intensities scaled to 0..1. */
export type Normalisation = z.output<typeof normalisationSchema>;

/**
 * Mean and standard deviation over whole images.
 *
 * @param pixels uint16 [images, imageSize], scaled by 1 / 65535
 * @param rows the images to measure
 */
export function measureNormalisation(
  pixels: Uint16Array,
  imageSize: number,
  rows: readonly number[],
): Normalisation {
  let sum = 0;
  let squares = 0;
  for (const row of rows) {
    for (let i = row * imageSize; i < (row + 1) * imageSize; i++) {
      const value = pixels[i]! / 65535;
      sum += value;
      squares += value * value;
    }
  }
  const count = Math.max(1, rows.length * imageSize);
  const mean = sum / count;
  return { mean, std: Math.sqrt(Math.max(squares / count - mean * mean, 1e-8)) };
}
