/**
 * The plan of a study, STUDY/study.json: the data, the settings of all cells, and the grid of cells (fold x repeat x label
 * fraction x arm).
 */
import { z } from 'zod';
import { SpinegradError } from '../error.js';
import { readTextSync } from '../io/files.js';
import { parseJson } from '../io/json.js';
import { programSchema } from '../io/provenance.js';
import { ARM_NAMES, DEFAULT_ARMS } from '../training/arms.js';
import {
  type Config,
  changeConfig,
  DEFAULT_PRESET,
  PRESETS,
  resolveConfig,
  type Settings,
} from '../training/config.js';
import { studyArm, variantName, variantSchema } from './studyArms.js';

const distinct = (values: readonly unknown[]) => new Set(values).size === values.length;
const list = <T extends z.ZodType>(item: T) =>
  z.array(item).min(1).refine(distinct, 'expected each value once');

const variants = z.record(variantName, variantSchema);

const fields = z.strictObject({
  version: z.literal(1),
  /** Absolute path of the data folder. */
  data: z.string().min(1),
  preset: z.enum(Object.keys(PRESETS) as [string, ...string[]]),
  /** Settings of all cells, as in config.json of a run, without those that a cell sets. */
  settings: z.record(z.string(), z.unknown()),
  /** Three or more: training, validation and test. */
  folds: z.int().min(3).max(100),
  /** Trainings of each fold with other seeds; the folds are the same in all repeats. */
  repeats: z.int().min(1).max(1000),
  /** Fractions of the training and validation patients that keep their grades. */
  labels: list(z.number().positive().max(1)),
  /** Names of arms and of `variants`. */
  arms: list(z.string()),
  /** Arms with settings of their own, by name. */
  variants: variants.default({}),
  /** The program that wrote the plan, and when. */
  program: programSchema,
});

/** Each arm must be one of a run, or a variant of the plan. */
function knowArms(
  { arms, variants }: Pick<z.output<typeof fields>, 'arms' | 'variants'>,
  context: z.RefinementCtx,
) {
  const known = [...ARM_NAMES, ...Object.keys(variants)];
  arms.forEach((name, index) => {
    if (known.includes(name)) return;
    const message = `found "${name}"; expected one of ${known.join(', ')}`;
    context.addIssue({ code: 'custom', path: ['arms', index], message });
  });
}

export const planSchema = fields.superRefine(knowArms);

const newPlanSchema = fields.omit({ program: true }).superRefine(knowArms);

export type Plan = z.output<typeof planSchema>;

/** A plan file that a user writes: every field may be missing. */
const planFileSchema = fields.extend({ variants }).partial();

export type PlanFile = z.output<typeof planFileSchema>;

/** Settings that follow from the grid and the cell. */
const SET_BY_CELL = {
  arms: '--arms',
  'data.folds': '--folds',
  'data.fold': '--folds',
  'data.labels': '--labels',
} as const;

/** @throws SpinegradError ERR_FILE_*; ERR_STUDY_PLAN if the file is not a plan */
export function readPlanFile(path: string): PlanFile {
  return parse(path, planFileSchema);
}

/** @throws SpinegradError ERR_FILE_*; ERR_STUDY_PLAN if the file is damaged */
export function readPlan(path: string): Plan {
  const plan = parse(path, planSchema);
  try {
    checkArms(plan, baseConfig(plan));
  } catch (cause) {
    throw new SpinegradError('ERR_STUDY_PLAN', `${path}: ${(cause as SpinegradError).message}`, { cause });
  }
  return plan;
}

function parse<T>(path: string, schema: z.ZodType<T>): T {
  let stored: unknown;
  try {
    stored = parseJson(readTextSync(path));
  } catch (cause) {
    if (cause instanceof SpinegradError) throw cause;
    throw new SpinegradError('ERR_STUDY_PLAN', `${path}: is not JSON; correct it, or choose another --plan`, {
      cause,
    });
  }
  const { error, data } = schema.safeParse(stored);
  if (error === undefined) return data;
  throw new SpinegradError('ERR_STUDY_PLAN', `${path}: ${describe(error)} (docs/study.md)`);
}

/**
 * A plan from a file and options; missing fields get defaults.
 *
 * @param threads of the CPU device, unless the settings state it; the bits of the results depend on it
 * @throws SpinegradError ERR_CONFIG
 */
export function newPlan(file: PlanFile, threads: number): Omit<Plan, 'program'> {
  if (file.data === undefined)
    throw new SpinegradError('ERR_CONFIG', 'study: found no data folder; name it with --data');
  const plan = checked({
    version: 1,
    data: file.data,
    preset: file.preset ?? DEFAULT_PRESET,
    settings: file.settings ?? {},
    folds: file.folds ?? 5,
    repeats: file.repeats ?? 3,
    labels: file.labels ?? [0.1, 0.25, 0.5, 1],
    arms: file.arms ?? [...DEFAULT_ARMS],
    variants: file.variants ?? {},
  });
  const config = baseConfig(plan);
  checkArms(plan, config);
  // All settings are stored, so that a study keeps them when defaults change.
  return { ...plan, settings: ownSettings({ ...config, threads: config.threads || threads }) };
}

function checked(plan: unknown): Omit<Plan, 'program'> {
  const { error, data } = newPlanSchema.safeParse(plan);
  if (error === undefined) return data;
  throw new SpinegradError('ERR_CONFIG', `study: ${describe(error)} (docs/study.md)`);
}

/** The first problem of a plan. */
function describe({ issues }: z.ZodError): string {
  const [issue] = issues;
  const { path } = issue!;
  const { message } = issue!.code === 'invalid_key' ? issue!.issues[0]! : issue!;
  return `${path.join('.') || 'the plan'}: ${message.replace(/^Invalid input: /, '')}`;
}

/** The settings that all cells share; fold 0, all labels. */
export function baseConfig(plan: Pick<Plan, 'preset' | 'settings' | 'folds'>): Config {
  refuseCellSettings(plan.settings);
  const data = { folds: plan.folds, fold: 0, labels: 1 };
  return resolveConfig(plan.preset, plan.settings, { data });
}

/**
 * The settings of an arm of the study.
 *
 * @param config of a cell, or of all
 * @throws SpinegradError ERR_CONFIG
 */
export function armConfig(plan: Pick<Plan, 'variants'>, config: Config, name: string): Config {
  const { arm, settings } = studyArm(plan, name);
  return changeConfig(config, settings, { arms: [arm.name] });
}

/** A configuration without the settings that a cell sets. */
function ownSettings({ preset: _, arms: __, data, ...settings }: Config): Settings {
  const { folds: ___, fold: ____, labels: _____, ...own } = data;
  return { ...settings, data: own };
}

function checkArms(plan: Pick<Plan, 'arms' | 'variants'>, config: Config): void {
  for (const name of plan.arms) {
    const { tasks } = armConfig(plan, config, name);
    // Without tasks the study has those of the data set, which are not known yet.
    const other = config.tasks.length === 0 ? undefined : tasks.find((id) => !config.tasks.includes(id));
    if (other !== undefined) {
      throw new SpinegradError(
        'ERR_CONFIG',
        `variants.${name}: found task ${other}; expected tasks of the study: ${config.tasks.join(', ')}`,
      );
    }
  }
}

function refuseCellSettings(settings: Settings): void {
  for (const [key, option] of Object.entries(SET_BY_CELL)) {
    const value = key
      .split('.')
      .reduce<unknown>((inner, part) => (inner as Settings | undefined)?.[part], settings);
    if (value === undefined) continue;
    throw new SpinegradError('ERR_CONFIG', `study: settings: ${key} differs between cells; use ${option}`);
  }
}
