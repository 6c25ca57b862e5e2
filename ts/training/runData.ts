/**
 * The bank of a run: cut from --data, or from phantom studies that are generated for the run. Complete parts are kept on
 * resume; incomplete ones are made again.
 */
import { existsSync } from 'node:fs';
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { type Bank, countReasons, prepareBank, writeSplit } from '../data/bank.js';
import type { CutOptions } from '../data/cutBank.js';
import { isLocated } from '../data/manifest.js';
import type { BankManifest, RoiRecord, Split } from '../data/types.js';
import { SpinegradError } from '../error.js';
import { makeSubfolder } from '../io/atomic.js';
import { readText } from '../io/files.js';
import { parseJson } from '../io/json.js';
import { generatePhantom, writtenSeries } from '../phantom/generate.js';
import { PHANTOM_SERIES } from '../phantom/study.js';
import { RSNA_TASKS } from '../tasks/rsna.js';
import type { Task } from '../tasks/task.js';
import type { Config } from './config.js';
import type { Progress } from './progress.js';
import { type RunIdentity, readRunBank } from './runFolder.js';
import { requireGraded, taskHeads } from './taskHeads.js';

interface RunData {
  dir: string;
  identity: RunIdentity;
  resume: boolean;
  progress: Progress;
  signal: AbortSignal;
}

export async function makeBank({ dir, identity, resume, progress, signal }: RunData): Promise<Bank> {
  const out = join(dir, 'bank');
  if (!resume || !existsSync(join(out, 'manifest.json'))) {
    const data = identity.data ?? (await makePhantom({ dir, identity, progress, signal }));
    await makeSubfolder(dir, 'bank');
    await prepareBank({
      data,
      out,
      ...cutOptions(identity.config),
      onProgress: ({ done, total, skipped }) =>
        progress.update('preparing ROIs', done, total, skipped > 0 ? `${skipped} skipped` : ''),
      signal,
    });
  }
  const bank = await readRunBank(dir, identity);
  const { skipped, notices } = bank.manifest;
  for (const [what, entries] of [
    ['skipped', skipped],
    ['corrected or assumed', notices],
  ] as const) {
    const reasons = countReasons(entries).map(([code, count]) => `${count} ${code}`);
    if (reasons.length > 0) progress.line(`${what} ${reasons.join(', ')}; ${out}/manifest.json lists each`);
  }
  checkSettings(identity.config, bank.manifest);
  checkSplitSides(bank.manifest);
  await writeSplit(join(dir, 'split.csv'), bank.manifest);
  return bank;
}

/** How the bank of a run is cut. */
export function cutOptions({ data, tasks }: Pick<Config, 'data' | 'tasks'>): Omit<CutOptions, 'data'> {
  const { layout, series, roiSize, roiMode, roiExtentMm, neighbours, sliceSize } = data;
  return {
    layout,
    tasks,
    series,
    roi: { size: roiSize, mode: roiMode, extentMm: roiExtentMm, neighbours },
    sliceSize,
    split: { seed: data.splitSeed, folds: data.folds, fold: data.fold },
  };
}

/**
 * Checks that the settings fit the tasks and the kinds of series of a bank.
 *
 * @throws SpinegradError ERR_CONFIG
 */
export function checkSettings(
  config: Config,
  { tasks, series }: { tasks: readonly Task[]; series: readonly string[] },
): void {
  checkFusion(config, series);
  taskHeads(config.finetuning, tasks, 'settings');
}

/**
 * Checks before the first stage that a bank has enough studies and grades on each side of the split.
 *
 * @throws SpinegradError ERR_DATA_EMPTY
 */
export function checkSplitSides(manifest: BankManifest): void {
  checkSides(manifest);
  requireGraded(manifest, ['train', 'validation', 'test']);
}

/** @throws SpinegradError ERR_CONFIG if there is nothing to fuse */
function checkFusion({ fusion }: Config, series: readonly string[]): void {
  if (fusion !== 'channels' || series.length > 1) return;
  throw new SpinegradError(
    'ERR_CONFIG',
    `settings: fusion: channels needs two or more kinds of series, found ${series.join(', ')}; name them in data.series`,
  );
}

/** @throws SpinegradError ERR_TASK_PHANTOM for a task that phantoms have no grades for */
function phantomTask(id: string): Task {
  const task = RSNA_TASKS.find((each) => each.id === id);
  if (task !== undefined) return task;
  throw new SpinegradError(
    'ERR_TASK_PHANTOM',
    `train: phantoms have no grades for task ${id}, only for ${RSNA_TASKS.map((each) => each.id).join(', ')}; give ` +
      'studies with --data',
  );
}

/**
 * Generates the run's phantom studies; returns their folder. phantom.json is written first and train.csv last, so a folder
 * with both is complete.
 */
async function makePhantom({ dir, identity, progress, signal }: Omit<RunData, 'resume'>): Promise<string> {
  const { studies, prevalence, slices } = identity.config.data;
  const { tasks, data } = identity.config;
  const shown = [...tasks.map((id) => phantomTask(id).series[0]!.name), ...(data.series ?? [])];
  const requested = {
    studies,
    prevalence,
    slices,
    seed: identity.config.seed,
    series: writtenSeries(PHANTOM_SERIES.filter((name) => shown.includes(name))),
  };
  const out = join(dir, 'phantom');
  const marker = join(out, 'phantom.json');
  if (existsSync(marker)) {
    const { synthetic: _, version: __, ...made } = parsed(await readText(marker));
    if (existsSync(join(out, 'train.csv')) && isDeepStrictEqual(made, requested)) return out;
    // The marker is deleted last, because a folder without it may not belong to the run and is never cleared.
    const others = (await readdir(out)).filter((name) => name !== 'phantom.json');
    for (const name of [...others, '']) await rm(join(out, name), { recursive: true, force: true });
  }
  await makeSubfolder(dir, 'phantom');
  await generatePhantom({
    ...requested,
    out,
    onProgress: (done, total) => progress.update('phantom studies', done, total),
    signal,
  });
  return out;
}

function parsed(json: string): Record<string, unknown> {
  try {
    return parseJson(json) ?? {};
  } catch {
    return {};
  }
}

/** Studies that each side of the split needs; training and validation compute statistics over them. */
const MIN_STUDIES: Record<Split, number> = { train: 2, validation: 2, test: 1 };

/** Refuses a split with too few studies before the first stage begins. */
function checkSides({ dataDir, rois, slices }: BankManifest): void {
  const isGraded = ({ grades }: RoiRecord) => grades.some((grade) => grade !== null);
  const graded = new Set(rois.filter(isGraded).map(({ studyId }) => studyId));
  const located = slices.filter(isLocated);
  for (const [side, minimum] of Object.entries(MIN_STUDIES)) {
    const found = located.filter(({ split, studyId }) => split === side && graded.has(studyId)).length;
    if (found >= minimum) continue;
    throw new SpinegradError(
      'ERR_DATA_EMPTY',
      `${dataDir}: found ${found} ${side} studies with graded discs, expected at least ${minimum}; add studies, or try ` +
        'another data.splitSeed, or raise data.labels',
    );
  }
}
