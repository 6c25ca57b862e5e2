/**
 * The arms of a study: those of a run, and variants of them, each with settings of its own. `"grade-positives": { "arm":
 * "contrastive", "settings": { "pretraining": { "positives": "grade" } } }` is the arm contrastive with other positives.
 */
import { z } from 'zod';
import { ARM_NAMES, ARMS, type Arm, type ArmName } from '../training/arms.js';
import type { Settings } from '../training/config.js';

/** Sections of the settings that a variant may change. The arms of a fold share the data, the crops and the localizer. */
const SECTIONS = ['tasks', 'encoder', 'augmentation', 'pretraining', 'finetuning', 'evaluation'] as const;

export const variantSchema = z.strictObject({
  arm: z.enum(ARM_NAMES),
  settings: z.partialRecord(z.enum(SECTIONS), z.unknown(), {
    error: `expected settings of ${SECTIONS.join(', ')}`,
  }),
});

export type Variant = z.output<typeof variantSchema>;

/** As in the name of a cell's folder. */
export const variantName = z
  .string()
  .regex(/^[a-z][a-z0-9]*(-[a-z0-9]+)*$/, 'expected a name such as grade-positives')
  .refine((name) => !(ARM_NAMES as readonly string[]).includes(name), 'expected a name that is no arm');

/** An arm in the results. */
export interface ReportedArm {
  name: string;
  description: string;
  /** The arm of which it is a variant; default: none. */
  variantOf?: ArmName | null;
}

export interface StudyArm extends ReportedArm {
  /** What is trained. */
  arm: Arm;
  /** What differs from the settings of the study. */
  settings: Settings;
}

/** @throws Error if `name` is not in the plan */
export function studyArm({ variants }: { variants: Record<string, Variant> }, name: string): StudyArm {
  const isVariant = Object.hasOwn(variants, name);
  const variant = isVariant ? variants[name]! : { arm: name as ArmName, settings: {} };
  const arm = ARMS.find((candidate) => candidate.name === variant.arm)!;
  const changes = Object.entries(variant.settings).flatMap(([key, value]) => settingsOf(key, value));
  const description = changes.length === 0 ? arm.description : `${arm.name} with ${changes.join(', ')}`;
  return { name, description, variantOf: isVariant ? variant.arm : null, arm, settings: variant.settings };
}

/** `a.b=value` of each setting, as for `--set`. */
function settingsOf(path: string, value: unknown): string[] {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return [`${path}=${JSON.stringify(value)}`];
  return Object.entries(value).flatMap(([key, inner]) => settingsOf(`${path}.${key}`, inner));
}
