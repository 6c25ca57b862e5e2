/** The schema that checks a manifest when it is read; types.ts documents the fields. */
import { z } from 'zod';
import { LEVELS } from '../anatomy.js';
import type { BankManifest } from './types.js';

const count = z.int().min(0);
const point = z.tuple([z.number(), z.number()]);
const affine = z.tuple([z.number(), z.number(), z.number(), z.number(), z.number(), z.number()]);
const window = z.object({ low: z.number(), high: z.number() });
const splitName = z.enum(['train', 'validation', 'test']);
const level = z.enum(LEVELS);

const origin = {
  row: count,
  studyId: z.string(),
  seriesId: z.string(),
  instanceNumber: z.int(),
  file: z.string(),
  pixelSpacing: point,
  toImage: affine,
  window,
  split: splitName,
};

const roi = z.object({
  ...origin,
  disc: count,
  level,
  grade: count.nullable(),
  sliceOffset: z.int(),
  centrePx: point,
  centreMm: z.tuple([z.number(), z.number(), z.number()]).nullable(),
});

const slice = z.object({ ...origin, imageSize: point, centres: z.record(level, point.nullable()) });

export const manifestSchema: z.ZodType<BankManifest> = z.object({
  version: z.literal(2),
  source: z.enum(['phantom', 'rsna']),
  synthetic: z.boolean(),
  dataDir: z.string(),
  task: z.string(),
  roi: z.object({
    size: z.int().positive(),
    mode: z.enum(['pixels', 'mm']),
    extentMm: z.number().positive(),
    neighbours: count,
  }),
  sliceSize: z.int().positive(),
  split: z.object({
    seed: z.int(),
    fractions: z.record(splitName, z.number()),
    folds: count.nullable(),
    fold: count.nullable(),
  }),
  studies: count,
  discs: count,
  classCounts: z.record(splitName, z.record(z.string(), count)),
  rois: z.array(roi),
  slices: z.array(slice),
  skipped: z.array(
    z.object({ path: z.string(), code: z.templateLiteral(['ERR_', z.string()]), message: z.string() }),
  ),
  fingerprint: z.string(),
});
