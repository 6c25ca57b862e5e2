/**
 * Every hyperparameter of a run, in one schema, each with its reason. The paper (arXiv 2602.05738) publishes the ROI
 * (96x96 per disc), the epochs (60 of pretraining, 37 of fine-tuning), cosine annealing, multi-positive InfoNCE,
 * coordinate regression and weighted focal loss with differential rates; everything else here is our choice.
 * A preset is a set of differences from the defaults; `--set a.b=value` changes single ones.
 */
import { z } from 'zod';
import { SpinegradError } from '../error.js';
import { HEAD_NAMES } from '../model/heads/names.js';
import { DEFAULT_TASK, taskOf } from '../tasks/index.js';
import { ARMS, type TunedArmName } from './arms.js';

const positive = z.number().positive();
const fraction = z.number().min(0).max(1);
const count = z.number().int().positive();
const imageSide = z.number().int().min(8).max(1024);
const why = <T extends z.ZodType>(schema: T, value: z.output<T>, reason: string) =>
  (schema as unknown as z.ZodType<z.output<T>>).default(value as never).describe(reason);

const data = z
  .strictObject({
    studies: why(
      count.max(999_999),
      160,
      'Phantom studies to make where no --data is given: five discs each.',
    ),
    slices: why(count.max(99), 5, 'Sagittal slices of a phantom study; the canal shows on the middle one.'),
    prevalence: why(
      z.enum(['rsna', 'enriched']),
      'enriched',
      'Share of the grades: as in RSNA (88/7/5 %), or enriched so that a small run sees every grade.',
    ),
    roiSize: why(imageSide, 96, 'Side of a ROI in pixels; published.'),
    roiMode: why(
      z.enum(['pixels', 'mm']),
      'mm',
      'Native pixels (the paper) or a fixed extent: spacing varies fourfold between scanners, anatomy does not.',
    ),
    roiExtentMm: why(positive, 60, 'Extent of a ROI in mm: the disc, the canal and half of each neighbour.'),
    neighbours: why(
      z.number().int().min(0).max(8),
      1,
      'Slices on each side of the annotated one that are cut too.',
    ),
    sliceSize: why(
      imageSide,
      128,
      'Side of the letterboxed slice that the localizer sees; each heatmap cell then sees the whole slice.',
    ),
    folds: why(
      z.number().int().min(3).nullable(),
      null,
      'Cross-validation folds; null: 70/15/15 by hash of the study.',
    ),
    fold: why(z.number().int().min(0).nullable(), null, 'Which fold is the test side.'),
  })
  .refine(({ folds, fold }) => (folds ?? 0) > (fold ?? -1) && (folds === null) === (fold === null), {
    path: ['fold'],
    error: 'expected a number below data.folds, or neither of the two',
  });

const encoder = z.strictObject({
  depth: why(z.literal([18, 34, 50]), 18, 'ResNet depth; not published.'),
  width: why(
    count,
    32,
    'Channels of the first stage: 64 is ResNet as published; half of it is a quarter of the work.',
  ),
  zeroInitResidual: why(z.boolean(), true, 'Start each block as the identity: steadier first epochs.'),
});

const augmentation = z.strictObject({
  rotation: why(
    z.number().min(0).max(180),
    10,
    'Largest rotation in degrees: the tilt of a lumbar level varies so much.',
  ),
  scale: why(fraction, 0.15, 'Largest relative change of scale: body size.'),
  translation: why(
    fraction,
    0.06,
    'Largest shift as a share of the side: how far readers differ on a disc centre.',
  ),
  flip: why(
    fraction,
    0,
    'Probability of an anterior-posterior flip: off, crops are turned so that anterior is left.',
  ),
  blur: why(z.number().min(0), 0.8, 'Largest sigma of Gaussian blur in pixels: in-plane resolution.'),
  gamma: why(fraction, 0.25, 'Largest relative change of the exponent.'),
  contrast: why(fraction, 0.25, 'Largest relative change of contrast: TE and windowing.'),
  brightness: why(fraction, 0.1, 'Largest intensity added: coil sensitivity.'),
  noise: why(fraction, 0.04, 'Largest sigma of Rician noise, of intensities from 0 to 1.'),
  cutout: why(fraction, 0.3, 'Probability of a blanked rectangle: no single edge decides.'),
  cutoutSize: why(fraction, 0.3, "Largest side of that rectangle as a share of the ROI's."),
});

const optimizer = (learningRate: number, weightDecay: number) => ({
  learningRate: why(positive, learningRate, 'Peak rate of AdamW.'),
  weightDecay: why(z.number().min(0), weightDecay, 'Decoupled decay of weights (not of biases and norms).'),
  warmupEpochs: why(z.number().min(0), 1, 'Epochs of linear warm-up before the cosine.'),
  floor: why(fraction, 0.01, 'Share of the peak rate that is left at the end of the cosine.'),
  clipNorm: why(positive, 5, 'Largest global norm of the gradient.'),
});

const pretraining = z.strictObject({
  epochs: why(z.number().int().min(0), 20, 'Passes over the training discs; the paper takes 60.'),
  discs: why(
    z.number().int().min(2),
    32,
    'Discs a batch, two views each; the negatives are the other discs.',
  ),
  positives: why(
    z.enum(['disc', 'level', 'grade']),
    'disc',
    'Rows that are positives of each other: of one disc, of one patient and level, or of one grade (supervised).',
  ),
  mean: why(
    z.enum(['outside', 'inside']),
    'outside',
    'Mean over positives outside the logarithm (SupCon L_out).',
  ),
  temperature: why(positive, 0.1, 'Temperature of InfoNCE.'),
  learnTemperature: why(z.boolean(), false, 'Learn the temperature as CLIP does.'),
  projection: why(count, 128, 'Length of the projected embedding.'),
  ...optimizer(1e-3, 1e-4),
});

const localization = z.strictObject({
  mode: why(
    z.enum(['beside', 'joint']),
    'beside',
    'A network of its own for slices, or heads on the encoder trained together with pretraining.',
  ),
  head: why(
    z.enum(['heatmap', 'regression']),
    'heatmap',
    'Soft-argmax over one heatmap a level, or plain coordinates from the pooled embedding (the paper).',
  ),
  encoder: z
    .strictObject({
      width: why(count, 16, "Channels of the localizer's first stage; places need fewer than grades."),
      strides: why(
        z.array(z.number().int().min(1).max(2)).min(1).max(4),
        [1, 2, 1],
        'Stride of each stage: three stages that end at 1/8 keep the heatmaps fine enough to tell discs apart.',
      ),
    })
    .prefault({})
    .describe("Where the network of mode `beside` differs from the graders' encoder."),
  augmentation: z
    .strictObject({
      rotation: why(z.number().min(0).max(180), 15, 'Largest rotation in degrees: how patients lie.'),
      scale: why(fraction, 0.25, 'Largest relative change of scale: fields of view differ between scanners.'),
      translation: why(
        fraction,
        0.15,
        'Largest shift as a share of the side: so does the place of the spine.',
      ),
      flip: why(
        fraction,
        0.5,
        'Probability of an anterior-posterior flip: headers are wrong about the front, so both ways must be known.',
      ),
      gamma: why(
        z.number().min(0).max(7),
        0.5,
        'Largest relative change of the exponent: coils and sequences.',
      ),
      contrast: why(z.number().min(0).max(7), 0.4, 'Largest relative change of contrast.'),
      brightness: why(fraction, 0.1, 'Largest intensity added.'),
      blur: why(z.number().min(0), 1, 'Largest sigma of Gaussian blur in pixels.'),
      noise: why(fraction, 0.04, 'Largest sigma of Rician noise, of intensities from 0 to 1.'),
      cutout: why(
        fraction,
        0.3,
        'Probability of a black rectangle: metal, saturation bands, small fields of view.',
      ),
      cutoutSize: why(fraction, 0.4, "Largest side of that rectangle as a share of the slice's."),
    })
    .prefault({}),
  epochs: why(z.number().int().min(0), 90, 'Passes over the training slices.'),
  batch: why(count, 8, 'Slices a batch; small, since few slices should still make many steps.'),
  loss: why(
    z.enum(['smoothL1', 'mse']),
    'smoothL1',
    'Distance on normalised coordinates; smooth L1 forgives mislabels.',
  ),
  beta: why(
    positive,
    0.02,
    'Where smooth L1 turns from square to line, as a share of the side: 2.6 of 128 pixels.',
  ),
  weight: why(positive, 1, 'Weight of the coordinate loss beside InfoNCE in joint mode.'),
  ...optimizer(5e-3, 1e-4),
});

const rates = (encoderFactor: number, layerDecay: number) =>
  z
    .strictObject({
      encoder: why(
        z.number().min(0),
        encoderFactor,
        "Rate of the encoder's last stage as a share of the head's.",
      ),
      layerDecay: why(fraction, layerDecay, 'Further factor for each stage towards the input.'),
    })
    .prefault({});

const armRates = Object.fromEntries(
  ARMS.flatMap((arm) => (arm.rates ? [[arm.name, rates(arm.rates.encoder, arm.rates.layerDecay)]] : [])),
) as Record<TunedArmName, ReturnType<typeof rates>>;

const finetuning = z.strictObject({
  epochs: why(count, 15, 'Passes over the training discs; the paper takes 37.'),
  batch: why(z.number().int().min(2), 64, 'Discs a batch.'),
  head: why(
    z.enum(HEAD_NAMES),
    'softmax',
    'From the embedding to grades; docs/networks.md describes the heads.',
  ),
  gamma: why(z.number().min(0), 2, "Focal loss's focus on hard discs; 0 is cross entropy."),
  alpha: why(
    z.enum(['inverse', 'sqrt', 'none']),
    'sqrt',
    'Class weights from training frequencies: inverse, its square root, or none.',
  ),
  labelSmoothing: why(z.number().min(0).max(0.5), 0, 'Share of the target spread over all grades.'),
  sampling: why(
    z.enum(['natural', 'balanced']),
    'natural',
    'Draw discs as they come, or every grade equally often (then alpha should be none).',
  ),
  neighbours: why(z.boolean(), true, 'Train on neighbouring slices too: the grade belongs to the disc.'),
  dropout: why(z.number().min(0).max(0.9), 0.2, 'Dropout before the grading layer.'),
  rates: z
    .strictObject(armRates)
    .prefault({})
    .describe('Layer-wise rates of the arms whose encoder is trained. The arms share everything else.'),
  ...optimizer(1e-3, 1e-2),
});

export const configSchema = z.strictObject({
  preset: z.string(),
  task: why(
    z.string(),
    DEFAULT_TASK,
    'What is graded: data set, condition, series, levels and grades. `spinegrad prepare --help` lists the tasks.',
  ),
  seed: why(
    z
      .number()
      .int()
      .min(0)
      .max(2 ** 31 - 1),
    1,
    'Everything random follows from it.',
  ),
  threads: why(z.number().int().min(0), 0, 'Threads of the CPU device; 0: all cores. Results depend on it.'),
  precision: why(
    z.enum(['tf32', 'bf16']),
    'tf32',
    'Products while training on CUDA: float32 rounds factors to TF32, bf16 to 8 bits; all else is float32.',
  ),
  data: data.prefault({}),
  encoder: encoder.prefault({}),
  augmentation: augmentation.prefault({}),
  pretraining: pretraining.prefault({}),
  localization: localization.prefault({}),
  finetuning: finetuning.prefault({}),
  evaluation: z
    .strictObject({ resamples: why(count, 2000, 'Bootstrap resamples of patients for the 95 % intervals.') })
    .prefault({}),
});

export type Config = z.output<typeof configSchema>;

export const PRESETS = {
  smoke: {
    data: { studies: 24, slices: 3, roiSize: 32, sliceSize: 64 },
    encoder: { width: 8 },
    pretraining: { epochs: 2, discs: 16, projection: 32 },
    localization: { epochs: 2, batch: 8, encoder: { width: 8 } },
    finetuning: { epochs: 2, batch: 16 },
    evaluation: { resamples: 200 },
  },
  demo: {},
  paper: {
    data: { studies: 1975, slices: 17, prevalence: 'rsna', roiMode: 'pixels' },
    encoder: { width: 64 },
    pretraining: { epochs: 60, discs: 64, warmupEpochs: 5 },
    localization: { epochs: 60, encoder: { width: 32 } },
    finetuning: { epochs: 37 },
  },
} as const;

export type Preset = keyof typeof PRESETS;

export const DEFAULT_PRESET: Preset = 'demo';

/** Some of the keys of a configuration, nested as it is. */
export type Settings = Record<string, unknown>;

function merge(base: Settings, change: Settings): Settings {
  const merged: Settings = { ...base };
  for (const [key, value] of Object.entries(change)) {
    const before = merged[key];
    const nested = isSettings(value) && (before === undefined || isSettings(before));
    merged[key] = nested ? merge((before ?? {}) as Settings, value) : value;
  }
  return merged;
}

const isSettings = (value: unknown): value is Settings =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** `a.b=value` as `{ a: { b: value } }`; the value is JSON, or else a word. */
export function parseSetting(setting: string): Settings {
  const [, path, text] = /^([a-z]\w*(?:\.[a-z]\w*)*)=(.*)$/is.exec(setting) ?? [];
  if (path === undefined || text === undefined) {
    throw new SpinegradError(
      'ERR_CONFIG',
      `--set ${setting}: expected key=value, for example pretraining.epochs=5`,
    );
  }
  if (path === 'preset') {
    throw new SpinegradError('ERR_CONFIG', `--set ${setting}: a preset is chosen by --preset ${text}`);
  }
  let value: unknown = text;
  try {
    value = JSON.parse(text);
  } catch {
    // A word such as `joint`.
  }
  return path.split('.').reduceRight<unknown>((inner, key) => ({ [key]: inner }), value) as Settings;
}

/**
 * The configuration of a preset with changes on top.
 *
 * @throws SpinegradError ERR_CONFIG naming the key, what was found and what was expected; ERR_TASK for an unknown task
 */
export function resolveConfig(preset: string, ...changes: readonly Settings[]): Config {
  if (!Object.hasOwn(PRESETS, preset)) {
    throw new SpinegradError(
      'ERR_CONFIG',
      `--preset ${preset}: expected one of ${Object.keys(PRESETS).join(', ')}`,
    );
  }
  return changeConfig({ preset, ...PRESETS[preset as Preset] }, ...changes);
}

/** Settings with changes on top, checked. */
export function changeConfig(settings: Settings, ...changes: readonly Settings[]): Config {
  return parseConfig(changes.reduce(merge, settings), 'settings');
}

/**
 * Checks a whole configuration, such as a stored one.
 *
 * @param source where it comes from, for the message
 * @throws SpinegradError ERR_CONFIG; ERR_TASK for an unknown task
 */
export function parseConfig(settings: unknown, source: string): Config {
  const result = configSchema.safeParse(settings);
  if (result.success) {
    taskOf(result.data.task, `${source}: task`);
    return result.data;
  }
  const issue = result.error.issues[0]!;
  const section = issue.path.join('.');
  if (issue.code === 'unrecognized_keys') {
    const known = Object.keys(at(configSchema.parse({ preset: '' }), issue.path) as object);
    const key = [...issue.path, issue.keys[0]].join('.');
    throw new SpinegradError(
      'ERR_CONFIG',
      `${source}: there is no key ${key}; expected one of ${known.join(', ')} (docs/settings.md)`,
    );
  }
  const found = JSON.stringify(at(settings, issue.path));
  const expected = issue.message.replace(/^Invalid input: /, '');
  throw new SpinegradError(
    'ERR_CONFIG',
    `${source}: ${section || 'the top'}: found ${found ?? 'nothing'}; ${expected} (docs/settings.md)`,
  );
}

const at = (value: unknown, path: readonly PropertyKey[]): unknown =>
  path.reduce<unknown>((inner, key) => (inner as Record<PropertyKey, unknown> | undefined)?.[key], value);
