/** The work of each kind of unit: the stages of a run, with the inputs that the units share. */
import { join } from 'node:path';
import { prepareBank, writeSplit } from '../data/bank.js';
import type { Bank } from '../data/types.js';
import { withLabels, withSplit, withTasks } from '../data/views.js';
import { formatCalibration } from '../evaluation/calibrationFile.js';
import { discErrors } from '../evaluation/localization.js';
import { formatLocalization } from '../evaluation/localizationFile.js';
import { formatPredictions } from '../evaluation/predictionsFile.js';
import { writeFileAtomic } from '../io/atomic.js';
import { readSafetensors, writeSafetensors } from '../io/safetensors.js';
import { embeddingsOf } from '../model/embed.js';
import { cropInputs } from '../model/grade.js';
import type { Grader } from '../model/grader.js';
import type { Localizer } from '../model/localizer.js';
import { type Values, valuesOf } from '../nn/values.js';
import { gradeNamesOf } from '../tasks/task.js';
import { armSettings, countTraining } from '../training/armSettings.js';
import { type Arm, armsOf } from '../training/arms.js';
import { calibrateArms } from '../training/calibrateArms.js';
import type { Config } from '../training/config.js';
import { predictArms, searchSlices } from '../training/evaluateArms.js';
import { type EncoderWeights, finetune } from '../training/finetune.js';
import { gradedSites } from '../training/gradedSites.js';
import { importedEncoder } from '../training/importedEncoder.js';
import { trainLocalizer } from '../training/localize.js';
import { cutPredictedSet, type PredictedSet } from '../training/predictedSet.js';
import { pretrainedEncoder } from '../training/pretrainedEncoder.js';
import { RoiDataset } from '../training/roiDataset.js';
import { checkSettings, checkSplitSides, cutOptions } from '../training/runData.js';
import { labelsOf } from '../training/runFolder.js';
import { SliceDataset } from '../training/sliceDataset.js';
import type { Run } from '../training/stage.js';
import { type FoldCrops, readCrops, writeCrops } from './cropsFile.js';
import { type CellEmbeddings, writeEmbeddings } from './embeddingsFile.js';
import type { Result } from './results.js';
import { readSearched, type Searched, writeSearched } from './searched.js';
import { openUnit, type WorkContext } from './unitFolder.js';
import type { CellUnit, Unit } from './units.js';

export type Work = Pick<Result, 'arm' | 'fingerprint'> & {
  /** Seconds of the training, over all resumed parts. */
  trained: number;
};

const WEIGHTS = 'weights.safetensors';

/** Cuts the bank of all cells. */
export async function workBank(
  unit: Unit,
  { data, progress, signal }: Omit<WorkContext, 'device'>,
): Promise<Work> {
  const { split: _, ...options } = cutOptions(unit.config);
  const manifest = await prepareBank({
    ...options,
    data,
    out: unit.dir,
    onProgress: ({ done, total, skipped }) =>
      progress.update('preparing ROIs', done, total, skipped > 0 ? `${skipped} skipped` : ''),
    signal,
  });
  checkSettings(unit.config, manifest);
  return { arm: null, fingerprint: manifest.fingerprint, trained: 0 };
}

/** The bank with the split, the grades and the tasks of a unit. */
export function bankOf(base: Bank, config: Config): Bank {
  const bank = withLabels(withSplit(base, cutOptions(config).split!), labelsOf(config));
  return config.tasks.length === 0 ? bank : withTasks(bank, config.tasks);
}

/** Trains a localizer and applies it to the validation and test slices of its fold. */
export async function workLocalizer(unit: Unit, base: Bank, context: WorkContext): Promise<Work> {
  const bank = bankOf(base, unit.config);
  const run = await openUnit(unit, bank, context);
  const { localizer, seconds } = await trainLocalizer(run, bank);
  const searched = await searchFold(run, bank, localizer);
  await writeSearched(unit.dir, searched);
  await writeSafetensors(join(unit.dir, WEIGHTS), await valuesOf(localizer.state()));
  localizer.dispose();
  using discs = new RoiDataset(run.device, bank, unit.config.augmentation, unit.config.fusion);
  await writeCrops(unit.dir, await cutFold(run, bank, discs, searched));
  await writeSplit(join(unit.dir, 'split.csv'), bank.manifest);
  return { arm: null, fingerprint: null, trained: seconds };
}

async function searchFold(run: Run, bank: Bank, localizer: Localizer): Promise<Searched> {
  using slices = new SliceDataset(run.device, bank);
  return {
    validation: await searchSlices(run, slices, localizer, 'validation'),
    test: await searchSlices(run, slices, localizer, 'test'),
  };
}

async function cutFold(
  run: Run,
  bank: Bank,
  discs: RoiDataset,
  { validation, test }: Searched,
): Promise<FoldCrops> {
  const sites = gradedSites(bank.manifest, discs);
  return {
    validation: await cutPredictedSet(run, bank, discs, validation, sites, 'validation'),
    test: await cutPredictedSet(run, bank, discs, test, sites, 'test'),
  };
}

/** Pretrains an encoder. */
export async function workPretraining(unit: Unit, base: Bank, context: WorkContext): Promise<Work> {
  const bank = bankOf(base, unit.config);
  const run = await openUnit(unit, bank, context);
  using discs = new RoiDataset(run.device, bank, unit.config.augmentation, unit.config.fusion);
  const { weights, seconds } = await pretrainedEncoder(run, discs);
  await writeSafetensors(join(unit.dir, WEIGHTS), weights);
  return { arm: null, fingerprint: null, trained: seconds };
}

/** Trains and calibrates the grader of a cell and predicts the test discs. */
export async function workCell(unit: CellUnit, base: Bank, context: WorkContext): Promise<Work> {
  const { config, dir } = unit;
  const bank = bankOf(base, config);
  const { manifest } = bank;
  checkSplitSides(manifest);
  const run = await openUnit(unit, bank, context);
  using discs = new RoiDataset(run.device, bank, config.augmentation, config.fusion);
  const arm = armsOf(config)[0]!;
  const weights = await encoderWeights(unit, arm, run, discs);
  const { grader, best, seconds } = await finetune(run, discs, arm, weights);
  const searched = await readSearched(unit.localizer.dir, manifest);
  const { validation, test } =
    (await readCrops(unit.localizer.dir, manifest, discs)) ?? (await cutFold(run, bank, discs, searched));
  const trained = [{ name: arm.name, grader }];
  const arms = await calibrateArms(run, discs, validation, trained, config.evaluation);
  const predictions = await predictArms(run, discs, test, arms, config.evaluation);
  if (unit.keepsEmbeddings) await writeEmbeddings(dir, await embedTest(run, discs, test, grader));
  grader.dispose();
  const write = (name: string, text: string) => writeFileAtomic(join(dir, name), text);
  await write('localization.csv', formatLocalization(searched.test.flatMap(discErrors)));
  await write('calibration.csv', formatCalibration(arms[0]!.validation));
  await write('predictions.csv', formatPredictions(predictions, gradeNamesOf(manifest.tasks)));
  const { epoch: bestEpoch, validationBalancedAccuracy } = best!;
  const { steps } = armSettings(config, countTraining(discs), arm);
  return { arm: { steps, bestEpoch, validationBalancedAccuracy }, fingerprint: null, trained: seconds };
}

async function embedTest(
  { device }: Run,
  { input }: RoiDataset,
  { discs, crops }: PredictedSet,
  grader: Grader,
): Promise<CellEmbeddings> {
  const { values, length } = await embeddingsOf(grader.encoder, cropInputs(device, crops, input));
  const rows = discs.map(({ disc: { studyId: study, level, side } }) => ({ study, level, side }));
  return { discs: rows, values, features: length };
}

async function encoderWeights(
  { pretraining }: CellUnit,
  { encoder }: Arm,
  run: Run,
  discs: RoiDataset,
): Promise<EncoderWeights> {
  if (pretraining !== null)
    return { pretrained: (await readSafetensors(join(pretraining.dir, WEIGHTS))) as Values };
  return encoder === 'imported' ? { imported: (await importedEncoder(run, discs.input.spec)).values } : {};
}
