/**
 * Localization of the five discs on the canal slice, the algorithm box:
 *
 *   for each batch of annotated slices:
 *     one augmented view of each slice; half of the views are mirrored
 *     points = head(encoder(view))
 *     loss = distance of the points from the annotation, as a fraction of the slice's side;
 *            points that are not annotated or not in the view have weight 0
 *
 * The augmentation is stronger than the variation in one data set, because scanners and fields of view differ more.
 *
 * `separate`: a separate network; the epoch with the lowest validation error is kept. `joint`: a head on the encoder that
 * is being pretrained; its loss is added to InfoNCE. Slices and crops pass through the encoder separately, each with
 * the batch statistics of its own kind, because their intensities differ. The running statistics are those of the
 * crops; after pretraining the localizer measures its own on slices (auxiliary batch norm, Xie et al., CVPR 2020).
 */
import { z } from 'zod';
import { LEVELS, type Level } from '../anatomy.js';
import { applyAffine } from '../data/affine.js';
import type { Bank } from '../data/bank.js';
import { centreOf } from '../data/manifest.js';
import type { SliceRecord, Split } from '../data/types.js';
import { noGrad } from '../engine/autograd.js';
import type { Device } from '../engine/device.js';
import type { AugmentKeys, AugmentOptions } from '../engine/ops/augment.js';
import { mul } from '../engine/ops/elementwise.js';
import { mse } from '../engine/ops/mse.js';
import { smoothL1 } from '../engine/ops/smoothL1.js';
import { type Tensor, tidy } from '../engine/tensor.js';
import { SpinegradError } from '../error.js';
import { type Centres, localizationErrors } from '../evaluation/localization.js';
import type { LocalizationSummary } from '../evaluation/types.js';
import { LocalizationHead, Localizer } from '../model/localizer.js';
import { locate } from '../model/locate.js';
import { withoutStatistics } from '../nn/layers.js';
import { ResNet } from '../nn/resnet.js';
import { RandomStream } from '../random.js';
import type { Config } from './config.js';
import { decayGroups } from './groups.js';
import type { AuxiliaryTask } from './pretrain.js';
import { SliceDataset } from './sliceDataset.js';
import { type Run, runStage, type Stage, type StageResult } from './stage.js';
import { StepKeys } from './steps.js';

/** Batches that measure the running statistics: with momentum 0.1, 0.9^100 of the old value remains. */
const STATISTICS_BATCHES = 100;

const PURPOSE = { encoder: 301, head: 302, order: 303, views: 304 };

const error = z.number().nullable();
const metrics = z.object({
  validationRmsePx: error,
  validationRmseMm: error,
  validationRmseMmPerLevel: z.array(error),
});

export type LocalizationMetrics = z.output<typeof metrics>;

type Context = Pick<Run, 'config' | 'device'>;

/** Trains the localizer of mode `separate`. */
export async function trainLocalizer(
  run: Run,
  bank: Bank,
): Promise<StageResult<LocalizationMetrics> & { localizer: Localizer }> {
  using slices = new SliceDataset(run.device, bank);
  const localizer = newLocalizer(run);
  return { ...(await runStage(run, localization(run, slices, localizer))), localizer };
}

export function localization(
  { config, device }: Context,
  slices: SliceDataset,
  localizer: Localizer,
): Stage<SliceRecord, LocalizationMetrics> {
  const { localization: settings } = config;
  const validated = annotated(slices, 'validation');
  const lossOf = coordinateLoss(slices, localizer, settings);

  return {
    name: 'localization',
    settings,
    modules: { localizer },
    groups: decayGroups({ localizer }, settings),
    items: annotated(slices, 'train'),
    batchSize: settings.batch,
    orderPurpose: PURPOSE.order,
    metrics,

    lossOf: (batch, keys) => lossOf(batch, keys.device(PURPOSE.views)),

    async validate() {
      const centres = await locateRecords(device, localizer, slices, validated, 1);
      const { rmsePx, rmseMm, perLevel } = summarise(centres, validated);
      return {
        validationRmsePx: rmsePx,
        validationRmseMm: rmseMm,
        validationRmseMmPerLevel: LEVELS.map((level) => perLevel[level]!.rmseMm),
      };
    },

    better: (row, best) => (row.validationRmseMm ?? Infinity) < (best.validationRmseMm ?? Infinity),
  };
}

/** The localizer of mode `separate` before training. */
export function newLocalizer({ config, device }: Context): Localizer {
  const { seed, localization: settings } = config;
  const random = new RandomStream(seed, PURPOSE.encoder);
  const encoder = new ResNet({ device, random }, { ...config.encoder, ...settings.encoder });
  return new Localizer(encoder, newHead({ config, device }, encoder));
}

function newHead({ config, device }: Context, encoder: ResNet): LocalizationHead {
  const random = new RandomStream(config.seed, PURPOSE.head);
  return new LocalizationHead({ device, random }, encoder, config.data.sliceSize, config.localization.head);
}

/** Mode `joint`: a second loss for the encoder that is being pretrained, and its localizer. */
export interface JointLocalization extends AuxiliaryTask, Disposable {
  /** Gives the trained encoder the running statistics of slices; returns it as the localizer. */
  finish(): Localizer;
}

/** Keeps the slices on the device until it is disposed. */
export function jointLocalization(
  { config, device }: Context,
  bank: Bank,
  encoder: ResNet,
): JointLocalization {
  const { seed, localization: settings } = config;
  const slices = new SliceDataset(device, bank);
  const trained = annotated(slices, 'train');
  const head = newHead({ config, device }, encoder);
  const localizer = new Localizer(encoder, head);
  const lossOf = coordinateLoss(slices, localizer, settings);
  const draw = (keys: StepKeys) => {
    const random = keys.stream(PURPOSE.order);
    const batch = Array.from({ length: settings.batch }, () => random.pick(trained));
    return { batch, viewKeys: { seed: seed ^ PURPOSE.views, step: random.bits() } };
  };
  return {
    head,
    weight: settings.weight,
    loss(keys) {
      const { batch, viewKeys } = draw(keys);
      return lossOf(batch, viewKeys, (forward) => withoutStatistics(encoder, forward));
    },
    finish() {
      localizer.train();
      const augmentation = strengths(settings, slices.size);
      for (let step = 0; step < STATISTICS_BATCHES; step++) {
        const { batch, viewKeys } = draw(new StepKeys(seed, 0, step, step));
        noGrad(() => tidy(() => localizer.forward(slices.views(batch, viewKeys, augmentation)).dispose()));
      }
      return localizer.eval();
    },
    [Symbol.dispose]: () => slices.dispose(),
  };
}

function annotated(slices: SliceDataset, split: Split): readonly SliceRecord[] {
  const records = slices.annotated(split);
  if (records.length > 1) return records;
  throw new SpinegradError(
    'ERR_DATA_EMPTY',
    `localization: found ${records.length} annotated ${split} slices, expected at least 2; add studies`,
  );
}

function strengths({ augmentation }: Config['localization'], size: number): AugmentOptions {
  const { translation, ...others } = augmentation;
  return { ...others, translation: translation * size, cutoutFill: 'zero' };
}

/** Makes the loss of a batch: the distance of the points from the annotation, in fractions of the slice's side. */
function coordinateLoss(slices: SliceDataset, localizer: Localizer, settings: Config['localization']) {
  const { loss, beta } = settings;
  const augmentation = strengths(settings, slices.size);
  return (
    batch: readonly SliceRecord[],
    keys: AugmentKeys,
    around: (forward: () => Tensor) => Tensor = (forward) => forward(),
  ): Tensor => {
    const points = around(() => localizer.forward(slices.views(batch, keys, augmentation)));
    const { device, shape } = points;
    const targets = slices.targets(batch, keys, augmentation);
    const truth = device.tensor(
      targets.points.map((pixels) => pixels / slices.size),
      shape,
    );
    const weight = device.tensor(targets.weights, shape);
    const fractions = mul(points, 1 / slices.size);
    return loss === 'mse' ? mse(fractions, truth, { weight }) : smoothL1(fractions, truth, { weight, beta });
  };
}

/** The centres on slices of a dataset, in pixels of the original images. */
export async function locateRecords(
  device: Device,
  localizer: Localizer,
  slices: SliceDataset,
  records: readonly SliceRecord[],
  views?: number,
): Promise<Centres[]> {
  const { size, normalisation } = slices;
  const located = await locate(device, localizer, slices.letterboxed(records), size, normalisation, views);
  return located.map(
    ({ points }) => Object.fromEntries(LEVELS.map((level, index) => [level, points[index]!])) as Centres,
  );
}

/** Distances of the centres from the annotation, in pixels of the original images and in mm. */
export function summarise(centres: readonly Centres[], records: readonly SliceRecord[]): LocalizationSummary {
  const truth = records.map((record) => {
    const original = (level: Level) => {
      const centre = centreOf(record, level);
      return centre && applyAffine(record.toImage, centre);
    };
    return Object.fromEntries(LEVELS.map((level) => [level, original(level)])) as Centres;
  });
  return localizationErrors(
    centres,
    truth,
    records.map(({ pixelSpacing }) => pixelSpacing),
  );
}
