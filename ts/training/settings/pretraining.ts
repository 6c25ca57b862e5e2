/** Settings of the contrastive pretraining. */
import { z } from 'zod';
import { augmentation } from './augmentation.js';
import { count, optimizer, positive, positiveFraction, setting } from './fields.js';

const CRITERIA = ['disc', 'level', 'grade'] as const;
/** What makes two views positives of each other. */
export type Criterion = (typeof CRITERIA)[number];

const criterion = z.enum(CRITERIA);

type Strength = keyof typeof augmentation.shape;
const STRENGTHS = Object.keys(augmentation.shape) as Strength[];

/** Some of the settings of the augmentation. */
const strengths = z.partialRecord(z.enum(STRENGTHS), z.number()).superRefine((change, context) => {
  for (const [name, value] of Object.entries(change)) {
    const issue = augmentation.shape[name as Strength].safeParse(value).error?.issues[0];
    if (issue) context.addIssue({ code: 'custom', path: [name], message: issue.message });
  }
});

export const pretraining = z.strictObject({
  epochs: setting(z.number().int().min(0), 20, 'Passes over the training discs; the paper uses 60.'),
  discs: setting(
    z.number().int().min(2),
    32,
    'Discs per batch, with `views` views each. The other discs are the negatives.',
  ),
  positives: setting(
    z.union(
      [
        criterion,
        z
          .array(criterion)
          .min(1)
          .refine((list) => new Set(list).size === list.length, 'expected each at most once'),
      ],
      { error: `expected one of ${CRITERIA.join(', ')}, or a list of them` },
    ),
    'disc',
    'Views that are positives of each other: those of one disc, of one patient and level, or of one grade of the first task (supervised). A list gives a loss for each.',
  ),
  positiveWeights: setting(
    z.partialRecord(criterion, positive),
    {},
    'Weights of the losses of `positives`, such as {"disc": 1, "grade": 0.5}; 1 if not given.',
  ),
  drawFrom: setting(
    z.enum(['slices', 'series']),
    'slices',
    'What the views of a disc show: random slices of its first series, or its series in turn (such as T1 and T2; needs two data.series and no fusion).',
  ),
  views: setting(
    z.number().int().min(2).max(10),
    2,
    'Views of each disc in a batch. The first two are complete; further ones are small crops (multi-crop).',
  ),
  cropSide: setting(
    positiveFraction,
    0.5,
    'Side of a small crop as a fraction of the ROI side. It has the resolution of the ROI, and any place in it.',
  ),
  augmentation: setting(
    strengths,
    {},
    'Settings of `augmentation` that differ in pretraining, such as {"tone": 0.1, "cutout": 0.5}.',
  ),
  mean: setting(
    z.enum(['outside', 'inside']),
    'outside',
    'Mean over the positives outside or inside the logarithm (L_out and L_in of SupCon).',
  ),
  temperature: setting(positive, 0.1, 'Temperature of InfoNCE.'),
  learnTemperature: setting(z.boolean(), false, 'Learn the temperature, as CLIP does.'),
  queue: setting(
    z.number().int().min(0).max(65536),
    0,
    'Embeddings of earlier batches that are further keys (MoCo), computed by an encoder whose weights follow the trained one; 0: none. For two views.',
  ),
  keyMomentum: setting(
    z.number().min(0).max(1),
    0.99,
    'Fraction of the weights that the encoder of the keys keeps in a step; MoCo uses 0.999 for long trainings.',
  ),
  probeEvery: setting(
    z.number().int().min(0),
    10,
    'Epochs between probes of the encoder on the validation patients (nearest neighbours and a linear classifier), with one after the last epoch; 0: none. A probe takes about a fifth of an epoch.',
  ),
  projection: setting(count, 128, 'Dimension of the projected embedding.'),
  optimizer: setting(
    z.enum(['adamw', 'lars']),
    'adamw',
    'LARS has a learning rate per tensor, for large batches; SimCLR uses the rate 0.3 for 256 discs and the decay 1e-6.',
  ),
  ...optimizer(1e-3, 1e-4),
});
