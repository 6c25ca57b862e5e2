/**
 * The main job, end to end: studies -> ROI bank -> contrastive pretraining -> localizer -> three graders -> the test
 * patients, once -> numbers, figures and weights in the run's folder. Every stage resumes where it was stopped.
 */
import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { writeFileAtomic } from '../data/atomic.js';
import { type Bank, prepareBank } from '../data/bank.js';
import { type BankManifest, LEVELS, type Split } from '../data/types.js';
import { type DeviceKind, openDevice } from '../engine/device.js';
import { SpinegradError } from '../error.js';
import type { Summary } from '../evaluation/types.js';
import { Localizer } from '../nn/localizer.js';
import { generatePhantom } from '../phantom/generate.js';
import { writeReport } from '../report/report.js';
import { CheckpointStore, type Values, valuesOf } from './checkpoint.js';
import { Discs } from './discs.js';
import { evaluateArms } from './evaluateArms.js';
import { ARMS, finetune, newEncoder } from './finetune.js';
import { jointLocalization, trainLocalizer } from './localize.js';
import { letterboxed, locate, usualSpread } from './locate.js';
import { type TrainedArm, writeModel } from './model.js';
import { pretrain } from './pretrain.js';
import type { Progress } from './progress.js';
import { reportInput } from './reportInput.js';
import { hashOf, type RunIdentity, readRunBank } from './runFolder.js';
import { RunLog } from './runLog.js';
import { Slices } from './slices.js';
import type { Run, StageResult } from './stage.js';

export interface TrainOptions {
  /** The run's folder, opened by `openRunFolder`. */
  dir: string;
  identity: RunIdentity;
  resume: boolean;
  device: DeviceKind;
  progress: Progress;
  /** Stops the run at the next step, with a checkpoint. */
  signal: AbortSignal;
}

/** Seconds spent, by stage. */
type Timing = Record<string, number>;

/**
 * Trains, evaluates and reports; resolves to what summary.json holds.
 *
 * @throws SpinegradError of its parts; the signal's reason when it is aborted
 */
export async function train(options: TrainOptions): Promise<Summary> {
  const { dir, identity, progress, signal } = options;
  const { config } = identity;
  const timing: Timing = {};
  const bank = await timed(timing, 'data', () => makeBank(options));
  checkSides(bank.manifest);
  using device = await openDevice(options.device, config.threads > 0 ? { threads: config.threads } : {});
  progress.line(`device ${device.name} (${device.description}; ${device.reason})`);
  const run: Run = {
    dir,
    config,
    device,
    checkpoints: new CheckpointStore(dir, { config: hashOf(config), data: bank.manifest.fingerprint }),
    log: await RunLog.open(dir, options.resume),
    progress,
    signal,
  };
  const discs = new Discs(device, bank, config);
  const stages = await trainNetworks(run, bank, discs, timing);
  const slices = new Slices(device, bank);
  const normalisation = { rois: discs.normalisation, slices: slices.normalisation };
  const evaluated = await timed(timing, 'evaluation', () =>
    evaluateArms(run, bank, discs, slices, stages.localizer, stages.arms),
  );
  const summary: Summary = {
    preset: config.preset,
    seed: config.seed,
    device: device.name,
    data: summariseData(bank.manifest),
    pretraining: curves(stages.pretraining),
    ...evaluated.results,
    timing,
  };
  await writeModel(dir, {
    config,
    manifest: bank.manifest,
    normalisation,
    localizer: {
      network: stages.localizer,
      rmseMm: stages.localizationRmseMm,
      usualSpread: await doubt(run, bank, slices, stages.localizer),
    },
    arms: stages.arms,
  });
  await writeReport(dir, reportInput(run, bank, summary, evaluated));
  await writeFileAtomic(join(dir, 'summary.json'), `${JSON.stringify(summary, null, 2)}\n`);
  return summary;
}

/** How much the localizer usually doubts what it was made for. */
async function doubt({ device }: Run, bank: Bank, slices: Slices, localizer: Localizer): Promise<number> {
  const { size, normalisation } = slices;
  const views = letterboxed(bank.slices, size, slices.of('validation'));
  return usualSpread(await locate(device, localizer, views, size, normalisation), size);
}

/** The run's bank: cut from --data, or from phantom studies made for it; what is there already is kept. */
async function makeBank({ dir, identity, resume, progress, signal }: TrainOptions): Promise<Bank> {
  const { config } = identity;
  const { seed, data } = config;
  const bankDir = join(dir, 'bank');
  if (resume && existsSync(join(bankDir, 'manifest.json'))) return readRunBank(dir, identity);
  const phantomDir = join(dir, 'phantom');
  // The CSVs are written last: with them the phantom is whole.
  if (!identity.data && !existsSync(join(phantomDir, 'train.csv'))) {
    await rm(phantomDir, { recursive: true, force: true });
    await generatePhantom({
      out: phantomDir,
      studies: data.studies,
      seed,
      prevalence: data.prevalence,
      slices: data.slices,
      onProgress: (done, total) => progress.update('phantom studies', done, total),
      signal,
    });
  }
  await prepareBank({
    data: identity.data ?? phantomDir,
    out: bankDir,
    roi: {
      size: data.roiSize,
      mode: data.roiMode,
      extentMm: data.roiExtentMm,
      neighbours: data.neighbours,
    },
    sliceSize: data.sliceSize,
    split: { seed, folds: data.folds, fold: data.fold },
    onProgress: ({ done, total, skipped }) =>
      progress.update('preparing ROIs', done, total, skipped > 0 ? `${skipped} skipped` : ''),
    signal,
  });
  return readRunBank(dir, identity);
}

/** Studies that each side of the split needs: training and validation take statistics over them. */
const LEAST_STUDIES: Record<Split, number> = { train: 2, validation: 2, test: 1 };

/** Refuses a split that some stage could not work with, before the first one has begun. */
function checkSides({ dataDir, rois, slices }: BankManifest): void {
  const graded = new Set(rois.filter(({ grade }) => grade !== null).map(({ studyId }) => studyId));
  const located = slices.filter(({ centres }) => LEVELS.some((level) => centres[level]));
  for (const [side, least] of Object.entries(LEAST_STUDIES)) {
    const found = located.filter(({ split, studyId }) => split === side && graded.has(studyId)).length;
    if (found >= least) continue;
    throw new SpinegradError(
      'ERR_DATA_EMPTY',
      `${dataDir}: found ${found} ${side} studies with graded discs, expected at least ${least}; add studies, or try ` +
        'another --seed, which splits them anew',
    );
  }
}

interface Networks {
  pretraining: StageResult;
  localizer: Localizer;
  localizationRmseMm: number | null;
  arms: TrainedArm[];
}

async function trainNetworks(run: Run, bank: Bank, discs: Discs, timing: Timing): Promise<Networks> {
  const encoder = newEncoder(run);
  const joint = run.config.localization.mode === 'joint' ? jointLocalization(run, bank, encoder) : undefined;
  const pretraining = await pretrain(run, discs, encoder, joint);
  timing.pretraining = pretraining.seconds;
  const pretrained: Values = await valuesOf(encoder.state());
  joint?.dispose();

  let localizer: Localizer;
  let localizationRmseMm: number | null = null;
  if (joint) {
    localizer = new Localizer(encoder, joint.head).eval();
  } else {
    encoder.dispose();
    const trained = await trainLocalizer(run, bank);
    localizer = trained.localizer;
    localizationRmseMm = (bestRow(trained)?.validationRmseMm ?? null) as number | null;
    timing.localization = trained.seconds;
  }

  const arms: TrainedArm[] = [];
  for (const name of ARMS) {
    const trained = await finetune(run, discs, name, pretrained);
    timing[`finetuning-${name}`] = trained.seconds;
    const validationBalancedAccuracy = bestRow(trained)?.validationBalancedAccuracy as number;
    arms.push({ name, grader: trained.grader, bestEpoch: trained.bestEpoch, validationBalancedAccuracy });
  }
  return { pretraining, localizer, localizationRmseMm, arms };
}

const bestRow = ({ rows, bestEpoch }: StageResult) => rows.find(({ epoch }) => epoch === bestEpoch);

function curves({ rows }: StageResult): Summary['pretraining'] {
  const column = (name: string) => rows.map((row) => row[name] as number);
  return {
    epochs: rows.length,
    trainLoss: column('trainLoss'),
    validationLoss: column('validationLoss'),
    learningRate: column('learningRate'),
  };
}

function summariseData(manifest: BankManifest): Summary['data'] {
  const studies = (split: string) =>
    new Set(manifest.rois.filter((roi) => roi.split === split).map(({ studyId }) => studyId)).size;
  return {
    source: manifest.source,
    synthetic: manifest.synthetic,
    studies: manifest.studies,
    discs: manifest.discs,
    skipped: manifest.skipped,
    split: { train: studies('train'), validation: studies('validation'), test: studies('test') },
    classCounts: manifest.classCounts,
  };
}

async function timed<T>(timing: Timing, stage: string, work: () => Promise<T>): Promise<T> {
  const start = performance.now();
  const result = await work();
  timing[stage] = (performance.now() - start) / 1000;
  return result;
}
