/** The folder of a study. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { readDataset } from '../data/dataset.js';
import { SpinegradError } from '../error.js';
import { makeFolder, writeError, writeFileAtomic } from '../io/atomic.js';
import { commandLine } from '../io/commandLine.js';
import { createExclusive } from '../io/owner.js';
import { provenance } from '../io/provenance.js';
import { merge, type Settings } from '../training/config.js';
import { checkSettings, cutOptions } from '../training/runData.js';
import { firstDifference } from '../training/runFolder.js';
import { type Cell, cellsOf } from './cells.js';
import { baseConfig, newPlan, type Plan, type PlanFile, readPlan } from './plan.js';

export interface Study {
  dir: string;
  plan: Plan;
  cells: Cell[];
}

/** What a command line requests; missing fields are those of the study, or defaults. */
export interface PlanRequest extends PlanFile {
  /** Changes of the settings. */
  changes?: readonly Settings[] | undefined;
}

const planPath = (dir: string): string => join(dir, 'study.json');

const studyOf = (dir: string, plan: Plan): Study => ({ dir, plan, cells: cellsOf(plan) });

/** Folder of the claims. */
export const claimsFolder = (dir: string): string => join(dir, 'claims');

/**
 * Reads a study.
 *
 * @throws SpinegradError ERR_STUDY_MISSING, ERR_STUDY_PLAN
 */
export function readStudy(dir: string): Study {
  if (!existsSync(planPath(dir))) {
    throw new SpinegradError(
      'ERR_STUDY_MISSING',
      `${planPath(dir)}: there is no such file; start a study with \`${commandLine('study', '--data', 'DIR', '--out', dir)}\``,
    );
  }
  return studyOf(dir, readPlan(planPath(dir)));
}

/**
 * Opens a study, or starts one if the folder has none. The grid of an existing study may change in its repeats, label
 * fractions and arms, and get further variants: finished cells are kept. Everything else must be the same. Several
 * processes may open a study at once.
 *
 * @param threads of the CPU device for a new study, unless the settings state it
 * @throws SpinegradError ERR_CONFIG, ERR_STUDY_PLAN, ERR_STUDY_EXISTS, ERR_WRITE, ERR_DISK_FULL; the errors of `readDataset`, and
 *   then no folder is made
 */
export async function openStudy(dir: string, request: PlanRequest, threads: number): Promise<Study> {
  const { changes = [], version: _, program: __, ...fields } = request;
  const path = planPath(dir);
  if (!existsSync(path)) {
    const settings = changes.reduce(merge, fields.settings ?? {});
    const plan = { ...newPlan({ ...fields, settings }, threads), program: provenance() };
    await checkData(plan);
    await makeFolder(claimsFolder(dir));
    try {
      if (createExclusive(path, `${JSON.stringify(plan, null, 2)}\n`)) return studyOf(dir, plan);
    } catch (cause) {
      throw writeError(path, cause);
    }
  }
  const stored = readPlan(path);
  const given = Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
  const settings = [fields.settings ?? {}, ...changes].reduce(merge, stored.settings);
  const variants = { ...stored.variants, ...fields.variants };
  const requested = newPlan({ ...stored, ...given, settings, variants }, threads);
  const { repeats, labels, arms } = requested;
  const sameGrid = { ...stored, repeats, labels, arms, variants: { ...variants, ...stored.variants } };
  // With the defaults of settings that the version of the stored plan did not have.
  const difference = firstDifference(newPlan(sameGrid, threads), requested);
  if (difference !== undefined) {
    throw new SpinegradError(
      'ERR_STUDY_EXISTS',
      `${dir}: contains a study with another plan: ${difference}; omit the option, or choose another --out folder`,
    );
  }
  if (firstDifference(stored, sameGrid) === undefined) return studyOf(dir, stored);
  const plan = { ...sameGrid, program: provenance() };
  await writeFileAtomic(path, `${JSON.stringify(plan, null, 2)}\n`);
  return studyOf(dir, plan);
}

/** Refuses data that cannot be read, and settings that do not fit their tasks and series. Opens no image. */
async function checkData(plan: Plan): Promise<void> {
  const config = baseConfig(plan);
  const { tasks, series } = await readDataset(plan.data, cutOptions(config));
  checkSettings(config, { tasks, series: series.map(({ name }) => name) });
}
