/**
 * The schema of all settings, each with its default and its reason. The paper (arXiv 2602.05738) gives the ROI (96x96 per
 * disc), the epochs (60 of pretraining, 37 of fine-tuning), cosine annealing, multi-positive InfoNCE, coordinate regression,
 * and weighted focal loss with differential rates. All other values are our choice. A preset changes some defaults;
 * `--set a.b=value` changes one setting.
 */
import { z } from 'zod';
import { SpinegradError } from '../error.js';
import { FUSION_NAMES } from '../model/fusion/spec.js';
import { registeredTasks } from '../tasks/index.js';
import { ARM_NAMES, DEFAULT_ARMS } from './arms.js';
import { augmentation } from './settings/augmentation.js';
import { data } from './settings/data.js';
import { encoder } from './settings/encoder.js';
import { evaluation } from './settings/evaluation.js';
import { seed, setting } from './settings/fields.js';
import { finetuning } from './settings/finetuning.js';
import { localization } from './settings/localization.js';
import { pretraining } from './settings/pretraining.js';
import { taskHeads } from './taskHeads.js';

export const configSchema = z
  .strictObject({
    preset: z.string(),
    tasks: setting(
      z.array(z.string()),
      [],
      'What is graded; empty: the default of the data set. `spinegrad prepare --help` lists the tasks.',
    ),
    arms: setting(
      z
        .array(z.enum(ARM_NAMES))
        .min(1)
        .refine((arms) => new Set(arms).size === arms.length, 'expected each arm once'),
      [...DEFAULT_ARMS],
      'Graders to train and to compare, in the order of the report. The first is the reference, the last gives the headline numbers. docs/networks.md describes them.',
    ),
    fusion: setting(
      z.enum(FUSION_NAMES),
      'none',
      'How the series of data.series become one embedding: channels of one image (registered series), or one encoder per series and attention over series and neighbouring slices. With none, a disc is graded on the first of its series.',
    ),
    seed: setting(
      seed,
      1,
      'Seed of all random numbers except those of the split, which has `data.splitSeed`.',
    ),
    threads: setting(
      z.number().int().min(0).max(1024),
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
    evaluation: evaluation.prefault({}),
  })
  .refine(
    ({ data, localization: { network, unet } }) =>
      network !== 'unet' || data.sliceSize % 2 ** (unet.levels - 1) === 0,
    { path: ['data', 'sliceSize'], error: 'expected a multiple of 2^(localization.unet.levels - 1)' },
  )
  .refine(({ arms, encoder }) => !arms.includes('imported') || encoder.weights !== null, {
    path: ['encoder', 'weights'],
    error: 'expected a safetensors file, because `arms` has the arm imported',
  })
  .refine(
    ({ pretraining, fusion, data }) =>
      pretraining.drawFrom === 'slices' || (fusion === 'none' && (data.series?.length ?? 0) > 1),
    {
      path: ['pretraining', 'drawFrom'],
      error: 'expected slices, or two or more data.series without fusion',
    },
  )
  .refine(({ pretraining }) => pretraining.queue === 0 || pretraining.views === 2, {
    path: ['pretraining', 'views'],
    error: 'expected 2, because pretraining.queue is not 0',
  });

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

/**
 * What a preset changes in a run on phantoms, without a data folder. The localizer is most of the time of the demo, and
 * phantoms need fewer steps than patients.
 */
export const PHANTOM_CHANGES: Partial<Record<Preset, Settings>> = { demo: { localization: { epochs: 30 } } };

/** Settings with changes; nested objects are merged. */
export function merge(base: Settings, change: Settings): Settings {
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
  const [, path, valueText] = /^([a-z][\w-]*(?:\.[a-z][\w-]*)*)=(.*)$/is.exec(text) ?? [];
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
