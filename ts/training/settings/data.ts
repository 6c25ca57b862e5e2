/** Settings of the data set and its crops. */
import { z } from 'zod';
import { LAYOUT_NAMES } from '../../data/layouts/layout.js';
import { extentMm, imageSide } from '../../data/limits.js';
import { seriesNames } from '../../model/networkLimits.js';
import { count, positiveFraction, seed, setting } from './fields.js';

export const data = z
  .strictObject({
    layout: setting(
      z.enum(LAYOUT_NAMES).nullable(),
      null,
      'Layout of the data folder; null: recognised by its files.',
    ),
    series: setting(
      seriesNames.nullable(),
      null,
      'Kinds of series from which each disc is cut, such as ["T1", "T2"]; null: the primary series of each task.',
    ),
    studies: setting(
      count.max(999_999),
      160,
      'Number of phantom studies if --data is not given; each has five discs.',
    ),
    slices: setting(count.max(99), 5, 'Sagittal slices per phantom study; the middle one shows the canal.'),
    prevalence: setting(
      z.enum(['rsna', 'enriched']),
      'enriched',
      'Frequencies of the grades in the phantom: those of RSNA (88/7/5 %), or enriched so that a small run has every grade.',
    ),
    roiSize: setting(imageSide, 96, 'Side of an ROI in pixels; from the paper.'),
    roiMode: setting(
      z.enum(['pixels', 'mm']),
      'mm',
      'Native pixels (the paper), or a fixed extent in mm. Pixel spacing varies fourfold between scanners.',
    ),
    roiExtentMm: setting(
      extentMm,
      60,
      'Extent of an ROI in mm: the disc, the canal and half of each adjacent vertebra.',
    ),
    neighbours: setting(
      z.number().int().min(0).max(8),
      1,
      'Slices on each side of the annotated slice that are cut too.',
    ),
    sliceSize: setting(
      imageSide,
      192,
      'Side of the letterboxed slices of the localizer in pixels, a multiple of 16. A pixel is about 1.5 mm then.',
    ),
    folds: setting(
      z.number().int().min(3).nullable(),
      null,
      'Number of cross-validation folds; null: a 70/15/15 split by the hash of the study id.',
    ),
    fold: setting(z.number().int().min(0).nullable(), null, 'Index of the test fold.'),
    splitSeed: setting(
      seed,
      1,
      'Seed of the split by patient. It is apart from `seed`, so that repeated trainings have the same test patients.',
    ),
    labels: setting(
      positiveFraction,
      1,
      'Fraction of the training and validation patients that keep their grades, stratified by their worst grade of the first task. The others still have disc centres and serve pretraining and the localizer.',
    ),
    labelSeed: setting(
      seed,
      1,
      'With `data.labels` below 1: selects which patients of the split keep their grades.',
    ),
  })
  .refine(({ folds, fold }) => (folds ?? 0) > (fold ?? -1) && (folds === null) === (fold === null), {
    path: ['fold'],
    error: 'expected a number below data.folds, or neither of the two',
  });
