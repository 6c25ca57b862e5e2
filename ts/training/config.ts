/**
 * The schema of all settings, each with its default and its reason. The paper (arXiv 2602.05738) gives the ROI (96x96 per
 * disc), the epochs (60 of pretraining, 37 of fine-tuning), cosine annealing, multi-positive InfoNCE, coordinate regression,
 * and weighted focal loss with differential rates. All other values are our choice. A preset changes some defaults;
 * `--set a.b=value` changes one setting.
 */
import { z } from 'zod';
import { LAYOUT_NAMES } from '../data/layouts/layout.js';
import { SpinegradError } from '../error.js';
import { FUSION_NAMES } from '../model/fusion/spec.js';
import { HEAD_NAMES } from '../model/heads/names.js';
import { LOCALIZER_KINDS } from '../model/localizerKinds.js';
import { registeredTasks } from '../tasks/index.js';
import { ARMS, type TunedArmName } from './arms.js';
import { taskHeads } from './taskHeads.js';

const positive = z.number().positive();
const fraction = z.number().min(0).max(1);
const positiveFraction = z.number().positive().max(1);
const count = z.number().int().positive();
const imageSide = z.number().int().min(8).max(1024);
/** A setting with its default and its description, which states the reason. */
const setting = <T extends z.ZodType>(schema: T, value: z.output<T>, description: string) =>
  (schema as unknown as z.ZodType<z.output<T>>).default(value as never).describe(description);

const data = z
  .strictObject({
    layout: setting(
      z.enum(LAYOUT_NAMES).nullable(),
      null,
      'Layout of the data folder; null: recognised by its files.',
    ),
    series: setting(
      z.array(z.string()).min(1).nullable(),
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
      positive,
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
  })
  .refine(({ folds, fold }) => (folds ?? 0) > (fold ?? -1) && (folds === null) === (fold === null), {
    path: ['fold'],
    error: 'expected a number below data.folds, or neither of the two',
  });

const encoder = z.strictObject({
  depth: setting(z.literal([18, 34, 50]), 18, 'Depth of the ResNet; not stated in the paper.'),
  width: setting(
    count,
    32,
    'Channels of the first stage. ResNet has 64; half the width needs a quarter of the operations.',
  ),
  zeroInitResidual: setting(
    z.boolean(),
    true,
    'Start each residual block as the identity, for stable first epochs.',
  ),
});

const augmentation = z.strictObject({
  rotation: setting(
    z.number().min(0).max(180),
    10,
    'Maximum rotation in degrees; the tilt of a lumbar level varies by about this much.',
  ),
  scale: setting(fraction, 0.15, 'Maximum relative change of scale; models body size.'),
  translation: setting(
    fraction,
    0.06,
    'Maximum shift as a fraction of the side; readers differ on a disc centre by about this much.',
  ),
  flip: setting(
    fraction,
    0,
    'Probability of an anterior-posterior flip. Off, because anterior is left in every crop.',
  ),
  blur: setting(
    z.number().min(0),
    0.8,
    'Maximum sigma of Gaussian blur in pixels; models in-plane resolution.',
  ),
  gamma: setting(fraction, 0.25, 'Maximum relative change of the exponent.'),
  contrast: setting(fraction, 0.25, 'Maximum relative change of contrast; models TE and windowing.'),
  brightness: setting(fraction, 0.1, 'Maximum intensity offset; models coil sensitivity.'),
  noise: setting(fraction, 0.04, 'Maximum sigma of Rician noise, for intensities from 0 to 1.'),
  cutout: setting(
    fraction,
    0.3,
    'Probability of a blanked rectangle, so that no single edge decides the grade.',
  ),
  cutoutSize: setting(positiveFraction, 0.3, 'Maximum side of that rectangle as a fraction of the ROI side.'),
});

const optimizer = (learningRate: number, weightDecay: number) => ({
  learningRate: setting(positive, learningRate, 'Peak learning rate of AdamW.'),
  weightDecay: setting(
    z.number().min(0),
    weightDecay,
    'Decoupled weight decay; biases and norms do not decay.',
  ),
  warmupEpochs: setting(z.number().min(0), 1, 'Epochs of linear warm-up before the cosine schedule.'),
  floor: setting(fraction, 0.01, 'Learning rate at the end of the cosine, as a fraction of the peak.'),
  clipNorm: setting(positive, 5, 'Maximum global norm of the gradient.'),
});

const pretraining = z.strictObject({
  epochs: setting(z.number().int().min(0), 20, 'Passes over the training discs; the paper uses 60.'),
  discs: setting(
    z.number().int().min(2),
    32,
    'Discs per batch, with two views each. The other discs are the negatives.',
  ),
  positives: setting(
    z.enum(['disc', 'level', 'grade']),
    'disc',
    'Views that are positives of each other: those of one disc, of one patient and level, or of one grade of the first task (supervised).',
  ),
  mean: setting(
    z.enum(['outside', 'inside']),
    'outside',
    'Mean over the positives outside or inside the logarithm (L_out and L_in of SupCon).',
  ),
  temperature: setting(positive, 0.1, 'Temperature of InfoNCE.'),
  learnTemperature: setting(z.boolean(), false, 'Learn the temperature, as CLIP does.'),
  projection: setting(count, 128, 'Dimension of the projected embedding.'),
  ...optimizer(1e-3, 1e-4),
});

const localization = z.strictObject({
  network: setting(
    z.enum(LOCALIZER_KINDS),
    'unet',
    'A U-Net whose maps show the discs, or the coordinate regression of the paper as the baseline.',
  ),
  unet: z
    .strictObject({
      width: setting(count, 16, 'Channels at full resolution, doubled at each level.'),
      levels: setting(
        z.number().int().min(2).max(6),
        5,
        'Number of resolutions. At the fifth one a pixel sees the sacrum and the neighbouring discs, which names L5/S1.',
      ),
      outputStride: setting(
        z.literal([1, 2]),
        2,
        'Pixels of the slice per pixel of a map. 2 halves the time; peaks are located between pixels.',
      ),
    })
    .prefault({}),
  sigma: setting(
    positiveFraction,
    0.0156,
    'Standard deviation of the Gaussian around a disc centre, as a fraction of the side; about 4 mm.',
  ),
  centreWeight: setting(
    z.number().min(1),
    10,
    'Weight of the centre of a disc in the loss relative to the background, because discs cover few pixels.',
  ),
  sacralWeight: setting(
    positive,
    3,
    'Weight of the map of L5/S1 relative to the others; it is the hardest one, and all names depend on it.',
  ),
  regression: z
    .strictObject({
      width: setting(
        count,
        16,
        'Channels of the first stage of the ResNet; localization needs fewer than grading.',
      ),
      strides: setting(
        z.array(z.number().int().min(1).max(2)).min(1).max(4),
        [1, 2, 1],
        'Stride of each stage.',
      ),
      beta: setting(
        positive,
        0.02,
        'Transition of smooth L1 from quadratic to linear, as a fraction of the side; 2.6 of 128 pixels.',
      ),
    })
    .prefault({})
    .describe('Of the network `regression`.'),
  augmentation: z
    .strictObject({
      rotation: setting(
        z.number().min(0).max(180),
        15,
        'Maximum rotation in degrees; models the position of the patient.',
      ),
      scale: setting(fraction, 0.25, 'Maximum relative change of scale; models the field of view.'),
      translation: setting(
        fraction,
        0.15,
        'Maximum shift as a fraction of the side; models the position of the spine in the field of view.',
      ),
      flip: setting(
        fraction,
        0.5,
        'Probability of an anterior-posterior flip. Headers can be wrong about the orientation, so the network learns both.',
      ),
      upend: setting(fraction, 0, 'Probability of a superior-inferior flip.'),
      invert: setting(
        fraction,
        0.15,
        'Probability of inverted intensities; T1, T2, STIR and fat saturation differ in which tissue is bright.',
      ),
      tone: setting(
        fraction,
        0.15,
        'Maximum displacement of the control points of a random tone curve; models unknown sequences.',
      ),
      gamma: setting(
        z.number().min(0).max(7),
        0.5,
        'Maximum relative change of the exponent; models coils and sequences.',
      ),
      contrast: setting(z.number().min(0).max(7), 0.4, 'Maximum relative change of contrast.'),
      brightness: setting(fraction, 0.1, 'Maximum intensity offset.'),
      blur: setting(z.number().min(0), 1, 'Maximum sigma of Gaussian blur in pixels.'),
      noise: setting(fraction, 0.04, 'Maximum sigma of Rician noise, for intensities from 0 to 1.'),
      cutout: setting(
        fraction,
        0.3,
        'Probability of a black rectangle; models metal artefacts, saturation bands and small fields of view.',
      ),
      cutoutSize: setting(
        positiveFraction,
        0.4,
        'Maximum side of that rectangle as a fraction of the slice side.',
      ),
    })
    .prefault({}),
  epochs: setting(
    z.number().int().min(0),
    100,
    'Passes over the training slices; with 70 slices and batches of 8 about 850 steps.',
  ),
  batch: setting(count, 8, 'Slices per batch; small, so that few slices give many steps.'),
  ...optimizer(3e-3, 1e-3),
});

const rates = (encoderFactor: number, layerDecay: number) =>
  z
    .strictObject({
      encoder: setting(
        z.number().min(0),
        encoderFactor,
        "Learning rate of the encoder's last stage, as a fraction of the head's.",
      ),
      layerDecay: setting(fraction, layerDecay, 'Further factor of each earlier stage.'),
    })
    .prefault({});

const armRates = Object.fromEntries(
  ARMS.flatMap((arm) => (arm.rates ? [[arm.name, rates(arm.rates.encoder, arm.rates.layerDecay)]] : [])),
) as Record<TunedArmName, ReturnType<typeof rates>>;

const finetuning = z.strictObject({
  epochs: setting(count, 15, 'Passes over the training discs; the paper uses 37.'),
  batch: setting(z.number().int().min(2), 64, 'Discs per batch.'),
  head: setting(
    z.enum(HEAD_NAMES),
    'softmax',
    'Head of each task: layers, loss and probabilities. docs/networks.md describes the heads.',
  ),
  heads: setting(
    z.record(z.string(), z.enum(HEAD_NAMES)),
    {},
    'Heads of single tasks by id, such as {"spider/pfirrmann": "corn"}, where they differ from `finetuning.head`.',
  ),
  gamma: setting(z.number().min(0), 2, 'Focusing parameter of the focal loss; 0 is cross entropy.'),
  alpha: setting(
    z.enum(['inverse', 'sqrt', 'none']),
    'sqrt',
    'Class weights: the inverse of the training frequency, its square root, or none.',
  ),
  labelSmoothing: setting(
    z.number().min(0).max(0.5),
    0,
    'Fraction of the target that is spread over all grades.',
  ),
  sampling: setting(
    z.enum(['natural', 'balanced']),
    'natural',
    'Draw every disc once per epoch, or every grade equally often (then set alpha to none).',
  ),
  neighbours: setting(
    z.boolean(),
    true,
    'Train on neighbouring slices too, because the grade belongs to the whole disc.',
  ),
  dropout: setting(z.number().min(0).max(0.9), 0.2, 'Dropout of the embedding before the head.'),
  rates: z
    .strictObject(armRates)
    .prefault({})
    .describe('Encoder rates of each arm whose encoder is trained.'),
  ...optimizer(1e-3, 1e-2),
});

export const configSchema = z
  .strictObject({
    preset: z.string(),
    tasks: setting(
      z.array(z.string()),
      [],
      'What is graded; empty: the default of the data set. `spinegrad prepare --help` lists the tasks.',
    ),
    fusion: setting(
      z.enum(FUSION_NAMES),
      'none',
      'How the series of data.series become one embedding: channels of one image (registered series), or one encoder per series and attention over series and neighbouring slices. With none, a disc is graded on the first of its series.',
    ),
    seed: setting(
      z
        .number()
        .int()
        .min(0)
        .max(2 ** 31 - 1),
      1,
      'Seed of all random numbers.',
    ),
    threads: setting(
      z.number().int().min(0),
      0,
      'Threads of the CPU device; 0: all cores. The bits of the results depend on it.',
    ),
    precision: setting(
      z.enum(['tf32', 'bf16']),
      'tf32',
      'Rounding of the factors of products on CUDA in training: 11 significant bits (TF32), or 8 (bf16). All else is float32.',
    ),
    data: data.prefault({}),
    encoder: encoder.prefault({}),
    augmentation: augmentation.prefault({}),
    pretraining: pretraining.prefault({}),
    localization: localization.prefault({}),
    finetuning: finetuning.prefault({}),
    evaluation: z
      .strictObject({
        resamples: setting(count, 2000, 'Bootstrap resamples of patients for the 95 % intervals.'),
      })
      .prefault({}),
  })
  .refine(
    ({ data, localization: { network, unet } }) =>
      network !== 'unet' || data.sliceSize % 2 ** (unet.levels - 1) === 0,
    { path: ['data', 'sliceSize'], error: 'expected a multiple of 2^(localization.unet.levels - 1)' },
  );

export type Config = z.output<typeof configSchema>;

export const PRESETS = {
  smoke: {
    data: { studies: 24, slices: 3, roiSize: 32, sliceSize: 64 },
    encoder: { width: 8 },
    pretraining: { epochs: 2, discs: 16, projection: 32 },
    localization: { epochs: 2, unet: { width: 8, levels: 4, outputStride: 1 } },
    finetuning: { epochs: 2, batch: 16 },
    evaluation: { resamples: 200 },
  },
  demo: {},
  paper: {
    data: { studies: 1975, slices: 17, prevalence: 'rsna', roiMode: 'pixels' },
    encoder: { width: 64 },
    pretraining: { epochs: 60, discs: 64, warmupEpochs: 5 },
    localization: { epochs: 60 },
    finetuning: { epochs: 37 },
  },
} as const;

export type Preset = keyof typeof PRESETS;

export const DEFAULT_PRESET: Preset = 'demo';

/** A part of a configuration, with the same nesting. */
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

/**
 * Parses `a.b=value` into `{ a: { b: value } }`. A value that is not JSON is a string.
 *
 * @throws SpinegradError ERR_CONFIG
 */
export function parseSetting(text: string): Settings {
  const [, path, valueText] = /^([a-z]\w*(?:\.[a-z]\w*)*)=(.*)$/is.exec(text) ?? [];
  if (path === undefined || valueText === undefined) {
    throw new SpinegradError(
      'ERR_CONFIG',
      `--set ${text}: expected key=value, for example pretraining.epochs=5`,
    );
  }
  if (path === 'preset') {
    throw new SpinegradError('ERR_CONFIG', `--set ${text}: choose a preset with --preset ${valueText}`);
  }
  let value: unknown = valueText;
  try {
    value = JSON.parse(valueText);
  } catch {
    // A string such as `joint`.
  }
  return path.split('.').reduceRight<unknown>((inner, key) => ({ [key]: inner }), value) as Settings;
}

/**
 * Applies changes to the settings of a preset.
 *
 * @throws SpinegradError ERR_CONFIG naming the key, what was found and what was expected
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

/** Applies changes to settings and checks the result. */
export function changeConfig(settings: Settings, ...changes: readonly Settings[]): Config {
  return parseConfig(changes.reduce(merge, settings), 'settings');
}

/**
 * Checks a complete configuration.
 *
 * @param source where it comes from, for the message
 * @throws SpinegradError ERR_CONFIG
 */
export function parseConfig(settings: unknown, source: string): Config {
  const result = configSchema.safeParse(settings);
  if (result.success) {
    const { tasks, finetuning } = result.data;
    const known = tasks.map((id) => registeredTasks().find((task) => task.id === id));
    // The tasks of a table and those of an empty list are not known before the data are read.
    if (tasks.length > 0 && known.every((task) => task !== undefined)) taskHeads(finetuning, known, source);
    return result.data;
  }
  const issue = result.error.issues[0]!;
  const section = issue.path.join('.');
  if (issue.code === 'unrecognized_keys') {
    const keys = Object.keys(at(configSchema.parse({ preset: '' }), issue.path) as object);
    const key = [...issue.path, issue.keys[0]].join('.');
    throw new SpinegradError(
      'ERR_CONFIG',
      `${source}: there is no key ${key}; expected one of ${keys.join(', ')} (docs/settings.md)`,
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
