/**
 * The main job, end to end: studies -> ROI bank -> contrastive pretraining -> localizer -> three graders -> the test
 * patients, once -> numbers, figures and weights in the run's folder. Every stage resumes where it was stopped.
 */
import { join } from 'node:path';
import type { Bank } from '../data/bank.js';
import type { BankManifest } from '../data/types.js';
import { type Device, type DeviceKind, openDevice } from '../engine/device.js';
import type { Summary } from '../evaluation/types.js';
import { writeFileAtomic } from '../io/atomic.js';
import { type TrainedArm, writeModel } from '../model/bundle.js';
import type { Localizer } from '../model/localizer.js';
import { letterboxed, locate, usualSpread } from '../model/locate.js';
import { writeReport } from '../report/report.js';
import { CheckpointStore, type Values, valuesOf } from './checkpoint.js';
import { Discs } from './discs.js';
import { evaluateArms } from './evaluateArms.js';
import { ARMS, finetune, newEncoder } from './finetune.js';
import { jointLocalization, trainLocalizer } from './localize.js';
import { pretrain } from './pretrain.js';
import { profiled } from './profile.js';
import type { Progress } from './progress.js';
import { reportInput } from './reportInput.js';
import { makeBank } from './runData.js';
import { hashOf, type RunIdentity, writeIdentity } from './runFolder.js';
import { RunLog } from './runLog.js';
import { Slices } from './slices.js';
import type { Run, StageResult } from './stage.js';

export interface TrainOptions {
  /** The run's folder, opened by `openRunFolder`. */
  dir: string;
  identity: RunIdentity;
  resume: boolean;
  device: DeviceKind;
  /** Writes profile.json, and a table by operation to `progress`. */
  profile?: boolean;
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
  using device = await openRunDevice(options);
  const work = () => trainOn(device, options);
  return options.profile ? await profiled(device, options.dir, options.progress, work) : await work();
}

async function trainOn(device: Device, options: TrainOptions): Promise<Summary> {
  const { dir, identity, progress, signal } = options;
  const { config } = identity;
  const timing: Timing = {};
  const bank = await timed(timing, 'data', () => makeBank(options));
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
  device.beginSpan('evaluation');
  const evaluated = await timed(timing, 'evaluation', () =>
    evaluateArms(run, bank, discs, slices, stages.localizer, stages.arms),
  );
  const summary: Summary = {
    preset: config.preset,
    task: config.task,
    seed: config.seed,
    device: device.name,
    threads: device.properties.threads ?? null,
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

/**
 * The device, and a line where the run will not have the bits of one that was never stopped. A run goes on with the
 * threads that it began with.
 */
async function openRunDevice({ dir, identity, device: kind, progress }: TrainOptions): Promise<Device> {
  const { config, machine } = identity;
  const threads = config.threads || machine?.threads;
  const { precision } = config;
  const device = await openDevice(kind, threads ? { threads, precision } : { precision });
  const { name, description, reason, properties } = device;
  progress.line(`device ${name} (${description}; ${reason})`);
  if (machine === undefined) {
    const began = { device: name, threads: properties.threads ?? null, description };
    await writeIdentity(dir, { ...identity, machine: began });
  } else if (machine.device !== name || machine.description !== description) {
    progress.line(
      `the run began on ${machine.device} (${machine.description}): its bits will differ from an unbroken run's`,
    );
  }
  return device;
}

/** How much the localizer usually doubts what it was made for. */
async function doubt({ device }: Run, bank: Bank, slices: Slices, localizer: Localizer): Promise<number> {
  const { size, normalisation } = slices;
  const views = letterboxed(bank.slices, size, slices.of('validation'));
  return usualSpread(await locate(device, localizer, views, size, normalisation), size);
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

  let localizer: Localizer;
  let localizationRmseMm: number | null = null;
  if (joint) {
    localizer = joint.finish();
    joint.dispose();
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
