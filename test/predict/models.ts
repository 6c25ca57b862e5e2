/** Run folders of tiny models and PNG files of tiny slices, for tests of prediction. */
import { createHash } from 'node:crypto';
import { mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { encode } from 'fast-png';
import type { SliceRecord } from '#spinegrad/data/types.js';
import type { Device } from '#spinegrad/engine/device.js';
import { provenance } from '#spinegrad/io/provenance.js';
import { readSafetensors, writeSafetensors } from '#spinegrad/io/safetensors.js';
import { writeModel } from '#spinegrad/model/bundle.js';
import { fusionSpec } from '#spinegrad/model/fusion/spec.js';
import { Grader } from '#spinegrad/model/grader.js';
import type { Localizer } from '#spinegrad/model/localizer.js';
import type { Normalisation } from '#spinegrad/model/normalisation.js';
import { Novelty } from '#spinegrad/model/novelty.js';
import { ResNet } from '#spinegrad/nn/resnet.js';
import { RandomStream } from '#spinegrad/random.js';
import { DEFAULT_TASK, taskOf } from '#spinegrad/tasks/index.js';
import { newLocalizer, trainLocalizer } from '#spinegrad/training/localize.js';
import { resnetOptions } from '#spinegrad/training/settings/encoder.js';
import { SliceDataset } from '#spinegrad/training/sliceDataset.js';
import { changeModel } from '../model/file.js';
import { SIZE, tinyBank, tinyConfig, tinyRun } from './tiny.js';

export const task = taskOf(DEFAULT_TASK);
export const heads = [{ task: task.id, head: 'softmax', grades: task.grades.length }] as const;

/** Records the hash of a changed weight file in model.json. */
export async function recordHash(dir: string, name: string): Promise<void> {
  const file = `weights/${name}.safetensors`;
  const sha256 = createHash('sha256')
    .update(await readFile(join(dir, file)))
    .digest('hex');
  changeModel(dir, ({ localizer, arms }) => {
    for (const { weights } of [localizer, ...arms]) if (weights.file === file) weights.sha256 = sha256;
  });
}

/** Changes the weights of the head and their hash in model.json. */
export async function changeWeights(
  dir: string,
  name: string,
  change: (data: Float32Array) => void,
): Promise<void> {
  const path = join(dir, `weights/${name}.safetensors`);
  const tensors = await readSafetensors(path);
  const [, tensor] = [...tensors].find(([key]) => /^(network\.)?heads?\..*weight$/.test(key))!;
  change(tensor.data as Float32Array);
  await writeSafetensors(path, tensors as Map<string, { shape: number[]; data: Float32Array }>);
  await recordHash(dir, name);
}

/** Of "normal" there are too few calibration discs, and no crop is novel. */
function calibration() {
  const random = new RandomStream(9);
  const features = 3 * tinyConfig().encoder.width;
  const discs = Array.from({ length: 40 }, () => [
    { series: 0, row: Float32Array.from({ length: features }, () => random.normal(0, 1)) },
  ]);
  return {
    calibration: [{ task: task.id, temperature: 2, minimums: [0, 0.3, 0.9], discs: [5, 40, 40] }],
    novelty: { model: Novelty.fit(discs), limit: 1e6 },
  };
}

/** Writes a model whose graders have random weights, and its localizer too unless one is given. */
export async function randomModel(
  device: Device,
  folder: string,
  {
    localizer,
    scratch,
  }: {
    localizer?: { network: Localizer; normalisation: Normalisation };
    scratch?: Grader;
  } = {},
): Promise<string> {
  const dir = await mkdtemp(join(folder, 'model-'));
  const config = tinyConfig();
  const { manifest } = tinyBank({ train: 1, validation: 1, test: 1 });
  const arm = (name: string, validationBalancedAccuracy: number | null) => {
    const build = { device, random: new RandomStream(validationBalancedAccuracy === null ? 1 : 2) };
    const grader =
      (name === 'scratch' ? scratch : undefined) ??
      new Grader(build, new ResNet(build, resnetOptions(config.encoder)), { heads });
    return { name, grader, bestEpoch: 1, validationBalancedAccuracy, ...calibration() };
  };
  const network = localizer?.network ?? newLocalizer({ config, device });
  const half = { mean: 0.5, std: 0.25 };
  const arms = [arm('scratch', null), arm('frozen', 0.7), arm('contrastive', 0.6)];
  await writeModel(dir, {
    preset: config.preset,
    config,
    evaluation: { seed: 1, resamples: 20, views: 1, coverage: 0.9, threads: null },
    program: provenance(),
    manifest,
    trainedImages: ['0'.repeat(64)],
    input: { spec: fusionSpec('none', manifest.series, 0), normalisation: [half] },
    normalisation: localizer?.normalisation ?? half,
    localizer: { network, series: ['Sagittal T2/STIR'], rmseMm: 3 },
    sites: [],
    arms,
  });
  if (localizer === undefined) network.dispose();
  for (const { grader } of arms) grader.dispose();
  return dir;
}

/** A model whose localizer is trained on tiny slices, and a test slice with its discs. */
export async function trainedModel(
  device: Device,
  folder: string,
): Promise<{ model: string; image: Uint16Array; discs: SliceRecord['discs'] }> {
  const bank = tinyBank({ train: 64, validation: 8, test: 1 });
  const learnSides = tinyConfig({ localization: { epochs: 24, augmentation: { flip: 0.5, upend: 0.5 } } });
  const trained = await trainLocalizer(await tinyRun(device, learnSides), bank);
  using slices = new SliceDataset(device, bank);
  const { normalisation } = slices;
  const model = await randomModel(device, folder, {
    localizer: { network: trained.localizer, normalisation },
  });
  trained.localizer.dispose();
  const [record] = slices.of('test');
  const image = bank.slices.subarray(record!.row * SIZE ** 2, (record!.row + 1) * SIZE ** 2);
  return { model, image, discs: record!.discs };
}

/** Writes a tiny slice as PNG. */
export async function writePng(path: string, pixels: Uint16Array): Promise<string> {
  await writeFile(path, encode({ width: SIZE, height: SIZE, data: pixels, channels: 1, depth: 16 }));
  return path;
}
