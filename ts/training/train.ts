/**
 * The main job: studies -> ROI bank -> contrastive pretraining -> localizer -> one grader per arm -> evaluation on the
 * test patients -> numbers, figures and weights in the run's folder. Each stage resumes from its checkpoint.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Bank } from '../data/bank.js';
import { trainedImages } from '../data/seen.js';
import type { BankManifest } from '../data/types.js';
import type { Device } from '../engine/device.js';
import { type DeviceKind, openDevice } from '../engine/openDevice.js';
import { formatLocalization } from '../evaluation/localizationFile.js';
import { formatPredictions } from '../evaluation/predictionsFile.js';
import type { Summary } from '../evaluation/types.js';
import { folderDeleted, writeFileAtomic } from '../io/atomic.js';
import { provenance } from '../io/provenance.js';
import type { ArmCalibration } from '../model/armCalibration.js';
import { type TrainedArm, writeModel } from '../model/bundle.js';
import type { Localizer } from '../model/localizer.js';
import { writeReport } from '../report/report.js';
import type { TaskFigures } from '../report/types.js';
import { gradeNamesOf } from '../tasks/task.js';
import { armSettings, countTraining } from './armSettings.js';
import { type Arm, armsOf } from './arms.js';
import { calibrateArms } from './calibrateArms.js';
import { evaluateArms, searchSlices } from './evaluateArms.js';
import { type EncoderWeights, type FinetuningMetrics, finetune } from './finetune.js';
import { gradedSites } from './gradedSites.js';
import { importedEncoder } from './importedEncoder.js';
import { trainLocalizer } from './localize.js';
import { openRun } from './openRun.js';
import { cutPredictedSet } from './predictedSet.js';
import type { PretrainingMetrics } from './pretrain.js';
import { pretrainedEncoder } from './pretrainedEncoder.js';
import { profiled } from './profile.js';
import type { Progress } from './progress.js';
import { reportInput } from './reportInput.js';
import { RoiDataset } from './roiDataset.js';
import { makeBank } from './runData.js';
import { type RunIdentity, writeIdentity } from './runFolder.js';
import type { LogRow } from './runLog.js';
import { saliencyExamples } from './saliencyExamples.js';
import { SliceDataset } from './sliceDataset.js';
import type { EpochRow, Run, StageResult } from './stage.js';

export interface TrainOptions {
  /** The run's folder, opened by `openRunFolder`. */
  dir: string;
  identity: RunIdentity;
  resume: boolean;
  device: DeviceKind;
  /** Writes profile.json, and a table by operation to `progress`. */
  profile?: boolean | undefined;
  progress: Progress;
  /** Called with each new row of metrics.jsonl. */
  onEpoch?: ((row: LogRow) => void) | undefined;
  /** Stops the run after the current step, with a checkpoint. */
  signal: AbortSignal;
}

/** Seconds per stage. */
type Timing = Record<string, number>;

/**
 * Trains, evaluates and reports; resolves to the content of summary.json.
 *
 * @throws SpinegradError of its parts; ERR_FOLDER_DELETED if the run's folder was deleted; the signal's reason when it is aborted
 */
export async function train(options: TrainOptions): Promise<Summary> {
  const { dir, profile, progress } = options;
  using device = await openRunDevice(options);
  const work = () => trainOn(device, options);
  try {
    return profile ? await profiled(device, dir, progress, work) : await work();
  } catch (error) {
    // Whatever failed first, for example a write.
    if (!existsSync(dir)) throw folderDeleted(dir, error);
    throw error;
  }
}

async function trainOn(device: Device, options: TrainOptions): Promise<Summary> {
  const { dir, identity, progress, signal } = options;
  const { config } = identity;
  const timing: Timing = {};
  const bank = await timed(timing, 'data', () => makeBank(options));
  const parts = { dir, config, device, progress, signal };
  const run = await openRun(parts, bank.manifest.fingerprint, options.resume, options.onEpoch);
  const discs = new RoiDataset(device, bank, config.augmentation, config.fusion);
  const { pretraining, localizer, rmseMm, arms: trained } = await trainNetworks(run, bank, discs, timing);
  const slices = new SliceDataset(device, bank);
  const sites = gradedSites(bank.manifest, discs);
  const { seed } = config;
  const { resamples, views, coverage } = config.evaluation;
  const data = { bank, discs, slices };
  device.beginSpan('calibration');
  const arms = await timed(timing, 'calibration', async () => {
    const searched = await searchSlices(run, slices, localizer, 'validation');
    const validation = await cutPredictedSet(run, bank, discs, searched, sites, 'validation');
    return calibrateArms(run, discs, validation, trained, { views, coverage });
  });
  device.beginSpan('evaluation');
  const evaluated = await timed(timing, 'evaluation', () =>
    evaluateArms(run, data, { localizer, sites, arms }, { seed, resamples, views, coverage }),
  );
  const summary: Summary = {
    preset: config.preset,
    seed,
    device: device.name,
    threads: device.properties.threads ?? null,
    program: provenance(),
    data: summariseData(bank.manifest),
    pretraining: curves(pretraining?.rows ?? []),
    localization: evaluated.localization,
    arms: arms.map(({ name, bestEpoch }) => ({ name, bestEpoch })),
    tasks: evaluated.tasks.map(({ task, ...results }) => ({
      task,
      classCounts: bank.manifest.classCounts[task.id]!,
      ...results,
    })),
    rsna: evaluated.rsna,
    timing,
  };
  const { notice } = await writeModel(dir, {
    preset: config.preset,
    config,
    evaluation: { seed, resamples, views, coverage, threads: config.threads || null },
    program: summary.program,
    manifest: bank.manifest,
    trainedImages: trainedImages(bank),
    input: discs.input,
    normalisation: slices.normalisation,
    localizer: { network: localizer, series: slices.kinds('train'), rmseMm },
    sites,
    arms,
  });
  await writeFileAtomic(
    join(dir, 'predictions.csv'),
    formatPredictions(evaluated.predictions, gradeNamesOf(bank.manifest.tasks)),
  );
  await writeFileAtomic(join(dir, 'localization.csv'), formatLocalization(evaluated.errors.flat()));
  const saliency: TaskFigures['saliency'][] = [];
  for (const index of discs.tasks.keys()) {
    saliency.push(await saliencyExamples(run, discs, evaluated, arms.at(-1)!, index));
  }
  await writeReport(dir, reportInput(run, bank, summary, notice, evaluated, arms, saliency));
  await writeFileAtomic(join(dir, 'summary.json'), `${JSON.stringify(summary, null, 2)}\n`);
  return summary;
}

/**
 * Opens the device, with the number of threads that the run began with. Reports if the device is another one than at the
 * beginning, because the bits of the run will then differ.
 */
async function openRunDevice({ dir, identity, device: kind, progress }: TrainOptions): Promise<Device> {
  const { config, machine } = identity;
  const threads = config.threads || machine?.threads;
  const { precision } = config;
  const device = await openDevice(kind, threads ? { threads, precision } : { precision });
  const { name, description, reason, properties } = device;
  progress.line(`device ${name} (${description}; ${reason})`);
  if (machine === undefined) {
    const first = { device: name, threads: properties.threads ?? null, description };
    await writeIdentity(dir, { ...identity, machine: first });
  } else if (machine.device !== name || machine.description !== description) {
    progress.line(
      `the run began on ${machine.device} (${machine.description}); its bits will differ from those of an uninterrupted run`,
    );
  }
  return device;
}

/** A trained grader, its description and its curves. */
interface ArmResult extends Omit<TrainedArm, keyof ArmCalibration> {
  description: string;
  rows: EpochRow<FinetuningMetrics>[];
}

interface Networks {
  /** Undefined if no arm needs it. */
  pretraining: StageResult<PretrainingMetrics> | undefined;
  localizer: Localizer;
  /** Error of the localizer on the validation patients; null if it was not trained. */
  rmseMm: number | null;
  arms: ArmResult[];
}

async function trainNetworks(run: Run, bank: Bank, discs: RoiDataset, timing: Timing): Promise<Networks> {
  const chosen = armsOf(run.config);
  // Before hours of training, because the file can be unusable.
  const imported = chosen.some(({ encoder }) => encoder === 'imported')
    ? await importedEncoder(run, discs.input.spec)
    : undefined;
  if (imported) run.progress.line(`imported encoder: ${imported.description}`);
  const weights: EncoderWeights = { imported: imported?.values };
  let pretraining: Networks['pretraining'];
  if (chosen.some(({ encoder }) => encoder === 'pretrained')) {
    const pretrained = await pretrainedEncoder(run, discs);
    timing.pretraining = pretrained.seconds;
    weights.pretrained = pretrained.weights;
    pretraining = pretrained;
  }
  const { localizer, best: bestLocalizer, seconds: localizationSeconds } = await trainLocalizer(run, bank);
  timing.localization = localizationSeconds;

  const arms: ArmResult[] = [];
  for (const arm of chosen) {
    const { grader, rows, best, seconds } = await finetune(run, discs, arm, weights);
    timing[`finetuning-${arm.name}`] = seconds;
    const { epoch: bestEpoch, validationBalancedAccuracy } = best!;
    const { name } = arm;
    const description = describe(run, discs, arm, imported?.description);
    arms.push({ name, description, grader, rows, bestEpoch, validationBalancedAccuracy });
  }
  return { pretraining, localizer, rmseMm: bestLocalizer?.validationRmseMm ?? null, arms };
}

/** What distinguishes an arm, with its number of optimizer steps. */
function describe({ config }: Run, discs: RoiDataset, arm: Arm, imported: string | undefined): string {
  const { finetuning, pretraining } = armSettings(config, countTraining(discs), arm).steps;
  const before = pretraining > 0 ? ` after ${pretraining} of pretraining` : '';
  const source = arm.encoder === 'imported' ? `; ${imported}` : '';
  return `${arm.description}${source}; ${finetuning} steps${before}`;
}

const curves = (rows: readonly EpochRow<PretrainingMetrics>[]): Summary['pretraining'] => ({
  epochs: rows.length,
  trainLoss: rows.map(({ trainLoss }) => trainLoss),
  validationLoss: rows.map(({ validationLoss }) => validationLoss),
  learningRate: rows.map(({ learningRate }) => learningRate),
  alignment: rows.map(({ validationAlignment }) => validationAlignment),
  uniformity: rows.map(({ validationUniformity }) => validationUniformity),
  probes: rows.flatMap(({ epoch, validationProbe }) =>
    validationProbe ? [{ epoch, ...validationProbe }] : [],
  ),
});

function summariseData(manifest: BankManifest): Summary['data'] {
  const { layout, dataset, series, synthetic, studies, discs, skipped, notices } = manifest;
  const count = (split: string) =>
    new Set(manifest.rois.filter((roi) => roi.split === split).map(({ studyId }) => studyId)).size;
  const split = { train: count('train'), validation: count('validation'), test: count('test') };
  return { layout, name: dataset, series, synthetic, studies, discs, skipped, notices, split };
}

async function timed<T>(timing: Timing, stage: string, work: () => Promise<T>): Promise<T> {
  const start = performance.now();
  const result = await work();
  timing[stage] = (performance.now() - start) / 1000;
  return result;
}
