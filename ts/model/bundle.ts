/**
 * The model of a finished run: `model.json` (description.ts) and the weights in files next to it. `spinegrad predict` reads
 * nothing else of a run.
 */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import type { BankManifest } from '../data/types.js';
import type { Device } from '../engine/device.js';
import { expectFinite } from '../engine/finite.js';
import { SpinegradError } from '../error.js';
import { makeSubfolder, writeFileAtomic } from '../io/atomic.js';
import { readBytes } from '../io/files.js';
import type { Program } from '../io/provenance.js';
import { readSafetensors, type StoredTensor, writeSafetensors } from '../io/safetensors.js';
import { type Values, valuesOf } from '../nn/values.js';
import { RandomStream } from '../random.js';
import type { ArmCalibration } from './armCalibration.js';
import {
  buildGrader,
  buildLocalizer,
  graderArchitecture,
  largestConvolution,
  localizerArchitecture,
} from './build.js';
import {
  type ArmDescription,
  hashOfModel,
  MODEL_FILE,
  MODEL_VERSION,
  type ModelDescription,
  type WeightFile,
} from './description.js';
import type { GraderInput } from './fusion/spec.js';
import type { Grader } from './grader.js';
import type { Localizer } from './localizer.js';
import type { Normalisation } from './normalisation.js';
import { Novelty } from './novelty.js';
import { readModel } from './readModel.js';
import type { Site } from './sites.js';

export interface TrainedArm extends ArmCalibration {
  name: string;
  grader: Grader;
  bestEpoch: number;
  validationBalancedAccuracy: number | null;
}

export interface TrainedModel {
  preset: string;
  config: Record<string, unknown>;
  evaluation: ModelDescription['evaluation'];
  program: Program;
  manifest: BankManifest;
  /** Of `trainedImages` (data/seen.ts). */
  trainedImages: string[];
  input: GraderInput;
  normalisation: Normalisation;
  localizer: { network: Localizer; series: string[]; rmseMm: number | null };
  sites: Site[];
  /** At least one. */
  arms: readonly TrainedArm[];
}

const RESEARCH = 'For research only: not a medical device, not for diagnosis.';

/** What a user of the weights must know about the data. */
export function noticeOf({ dataset, layout, synthetic }: BankManifest): string {
  if (synthetic)
    return `Trained on synthetic images only: its grades say nothing about patients. ${RESEARCH}`;
  const terms = {
    rsna: 'If these are the data of the RSNA 2024 lumbar spine challenge, its terms also apply to the weights.',
    spider: 'SPIDER is published under CC BY 4.0 (van der Graaf et al., Scientific Data 11:264, 2024).',
    table: 'The terms of the data also apply to the weights.',
  };
  return `Trained on the data set ${dataset}. ${terms[layout]} ${RESEARCH}`;
}

/**
 * Writes model.json and weights/ into the folder of a run.
 *
 * @throws SpinegradError ERR_FOLDER_DELETED, ERR_WRITE, ERR_DISK_FULL, ERR_NOT_FINITE
 */
export async function writeModel(dir: string, model: TrainedModel): Promise<ModelDescription> {
  const { preset, config, evaluation, program, manifest, input, normalisation, localizer } = model;
  await makeSubfolder(dir, 'weights');
  const save = async (name: string, values: Values): Promise<WeightFile> => {
    const file = `weights/${name}.safetensors`;
    for (const [tensor, { data }] of values)
      expectFinite(data, `${file}: '${tensor}'`, 'the training diverged');
    await writeSafetensors(join(dir, file), values);
    return { file, sha256: await sha256Of(join(dir, file)) };
  };
  const arms: ArmDescription[] = [];
  for (const { name, grader, bestEpoch, validationBalancedAccuracy, calibration, novelty } of model.arms) {
    const weights = await save(`grader-${name}`, await valuesOf(grader.state()));
    const network = graderArchitecture(grader);
    const features = await save(`novelty-${name}`, novelty.model.state());
    arms.push({
      ...{ name, network, weights, bestEpoch, validationBalancedAccuracy, calibration },
      novelty: { weights: features, limit: novelty.limit },
    });
  }
  const accuracy = (arm: ArmDescription) => arm.validationBalancedAccuracy ?? 0;
  const { layout, dataset, synthetic, tasks, studies, discs, fingerprint } = manifest;
  const { size, mode, extentMm } = manifest.roi;
  const { network, series, rmseMm } = localizer;
  const unsigned: Omit<ModelDescription, 'sha256'> = {
    version: MODEL_VERSION,
    roi: { size, mode, extentMm },
    input,
    normalisation,
    localizer: {
      network: localizerArchitecture(network),
      weights: await save('localizer', await valuesOf(network.state())),
      series,
      rmseMm,
    },
    sites: model.sites,
    arms,
    recommended: arms.reduce((best, arm) => (accuracy(arm) > accuracy(best) ? arm : best)).name,
    trainedOn: { preset, layout, dataset, synthetic, tasks, studies, discs, fingerprint },
    trainedImages: model.trainedImages,
    evaluation,
    program,
    notice: noticeOf(manifest),
    config,
  };
  const description = { ...unsigned, sha256: hashOfModel(unsigned) };
  await writeFileAtomic(join(dir, MODEL_FILE), `${JSON.stringify(description, null, 2)}\n`);
  return description;
}

/** A loaded grader and its entry in model.json. */
export interface LoadedArm extends Omit<ArmDescription, 'novelty'>, ArmCalibration {
  grader: Grader;
}

/** A localizer and graders in eval mode. */
export interface Model {
  /** The folder that it was loaded from. */
  folder: string;
  description: ModelDescription;
  localizer: Localizer;
  arms: LoadedArm[];
  dispose(): void;
}

/**
 * Loads the localizer and graders of a run.
 *
 * @param which the name of an arm, `recommended`, or `all`
 * @throws SpinegradError ERR_MODEL_MISSING, ERR_MODEL, ERR_MODEL_ARM, ERR_MODEL_WEIGHTS, ERR_FILE_*, ERR_SAFETENSORS_*,
 *   ERR_WEIGHTS, ERR_NOT_FINITE
 *
 * @example
 * const model = await loadModel('runs/demo', device);
 * await predict(device, { input: 'study', model });
 */
export async function loadModel(dir: string, device: Device, which = 'recommended'): Promise<Model> {
  const description = await readModel(dir);
  const chosen = chooseArms(dir, description, description.arms, which);
  const build = { device, random: new RandomStream(0) };
  const { network, weights } = description.localizer;
  const file = await readNetwork(dir, weights, network.network, 'localizer.network.network.width');
  const localizer = buildLocalizer(network, build).load(file.tensors, file.path).eval();
  const arms: LoadedArm[] = [];
  for (const arm of chosen) {
    const key = `arms.${description.arms.indexOf(arm)}.network.encoder.width`;
    const stored = await readNetwork(dir, arm.weights, arm.network.encoder, key);
    const grader = buildGrader(arm.network, build).load(stored.tensors, stored.path).eval();
    const features = await readWeights(dir, arm.novelty.weights);
    const model = Novelty.load(features.tensors, features.path);
    arms.push({ ...arm, grader, novelty: { model, limit: arm.novelty.limit } });
  }
  return {
    folder: dir,
    description,
    localizer,
    arms,
    dispose() {
      localizer.dispose();
      for (const { grader } of arms) grader.dispose();
    },
  };
}

interface Stored {
  path: string;
  tensors: Map<string, StoredTensor>;
}

/**
 * Reads the weights of a network before the network is built, which takes memory and time that its description determines.
 *
 * @param key that of the width in model.json
 */
async function readNetwork(
  dir: string,
  weights: WeightFile,
  network: Parameters<typeof largestConvolution>[0],
  key: string,
): Promise<Stored> {
  const stored = await readWeights(dir, weights);
  const values = [...stored.tensors.values()].reduce((sum, { data }) => sum + data.length, 0);
  const least = largestConvolution(network);
  if (values >= least) return stored;
  throw new SpinegradError(
    'ERR_MODEL',
    `${join(dir, MODEL_FILE)}: ${key}: found ${network.width}, whose network has more than ${least} weights; ${stored.path} has ` +
      `${values}; copy the run's folder again`,
  );
}

/** Reads a weight file that must be the one that the run wrote. */
async function readWeights(dir: string, { file, sha256 }: WeightFile): Promise<Stored> {
  const path = join(dir, file);
  const found = await sha256Of(path);
  if (found === sha256) return { path, tensors: await readSafetensors(path) };
  throw new SpinegradError(
    'ERR_MODEL_WEIGHTS',
    `${path}: found a file with SHA-256 ${found}, ${MODEL_FILE} expects ${sha256}: it is not the file that the run wrote; ` +
      "copy the run's folder again",
  );
}

/** The arms of a folder or of a loaded model that `which` of `loadModel` names. */
export function chooseArms<Arm extends { name: string }>(
  dir: string,
  { recommended }: ModelDescription,
  arms: Arm[],
  which: string,
): Arm[] {
  if (which === 'all') return arms;
  const name = which === 'recommended' ? recommended : which;
  const chosen = arms.filter((arm) => arm.name === name);
  if (chosen.length > 0) return chosen;
  const names = arms.map((arm) => arm.name).join(', ');
  throw new SpinegradError('ERR_MODEL_ARM', `${dir}: found no arm '${name}', expected one of ${names}`);
}

async function sha256Of(path: string): Promise<string> {
  return createHash('sha256')
    .update(await readBytes(path))
    .digest('hex');
}
