/** Limits of sizes in settings and stored files. They load without the native addon. */
import { z } from 'zod';

/** Side of an image of the bank in pixels. */
export const imageSide = z.number().int().min(8).max(1024);

/** Side of a ROI in mm; the field of view of a lumbar MRI is below 500 mm. */
export const extentMm = z.number().min(1).max(500);

/** Slices to cut on each side of the annotated one. */
export const neighbourCount = z.number().int().min(0).max(16);
