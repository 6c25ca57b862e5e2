/** The schema that checks a manifest when it is read; types.ts documents the fields. */
import { z } from 'zod';
import { DISC_LEVELS, LEVELS, type Level, type Point, SIDES } from '../anatomy.js';
import { taskSchema } from '../tasks/task.js';
import { LAYOUT_NAMES } from './layouts/layout.js';
import { extentMm, imageSide, neighbourCount } from './limits.js';
import type { BankManifest, SliceRecord } from './types.js';

const count = z.int().min(0);
const point = z.tuple([z.number(), z.number()]);
const affine = z.tuple([z.number(), z.number(), z.number(), z.number(), z.number(), z.number()]);
const window = z.object({ low: z.number(), high: z.number() });
const splitName = z.enum(['train', 'validation', 'test']);
const level = z.enum(DISC_LEVELS);

const origin = {
  row: count,
  studyId: z.string(),
  seriesId: z.string(),
  series: z.string(),
  instanceNumber: z.int(),
  file: z.string(),
  pixelSpacing: point,
  spacingFrom: z.enum(['file', 'table', 'pitch']),
  toImage: affine,
  window,
  split: splitName,
};

const vector = z.tuple([z.number(), z.number(), z.number()]);
const side = z.enum(SIDES).nullable();

const roi = z.object({
  ...origin,
  disc: count,
  level,
  side,
  grades: z.array(count.nullable()),
  sliceOffset: z.int(),
  centrePx: point,
  centreMm: vector.nullable(),
});

const box = z.tuple([z.number(), z.number(), z.number(), z.number()]);

const slice = z.object({
  ...origin,
  imageSize: point,
  geometry: z.object({ rowDirection: vector, columnDirection: vector, position: vector }).nullable(),
  side,
  discs: z.array(z.object({ level, centre: point, box: box.nullable() })),
  complete: z.boolean(),
  found: z.boolean(),
});

const reports = z.array(
  z.object({ path: z.string(), code: z.templateLiteral(['ERR_', z.string()]), message: z.string() }),
);

export const manifestSchema: z.ZodType<BankManifest> = z.object({
  version: z.literal(4),
  layout: z.enum(LAYOUT_NAMES),
  dataset: z.string(),
  synthetic: z.boolean(),
  dataDir: z.string(),
  tasks: z.array(taskSchema).min(1),
  series: z.array(z.string()).min(1),
  roi: z.object({
    size: imageSide,
    mode: z.enum(['pixels', 'mm']),
    extentMm,
    neighbours: neighbourCount,
  }),
  sliceSize: imageSide,
  split: z.object({
    seed: z.int(),
    fractions: z.record(splitName, z.number()),
    folds: count.nullable(),
    fold: count.nullable(),
  }),
  studies: count,
  discs: count,
  classCounts: z.record(z.string(), z.record(splitName, z.record(z.string(), count))),
  rois: z.array(roi),
  slices: z.array(slice),
  skipped: reports,
  notices: reports,
  fingerprint: z.string(),
});

/** The annotated centre of a level in pixels of the letterboxed slice; null without an annotation. */
export const centreOf = ({ discs }: Pick<SliceRecord, 'discs'>, level: Level): Point | null =>
  discs.find((disc) => disc.level === level)?.centre ?? null;

/** Whether a slice shows an annotated lumbar disc. */
export const isLocated = (record: Pick<SliceRecord, 'discs'>): boolean =>
  LEVELS.some((level) => centreOf(record, level) !== null);
