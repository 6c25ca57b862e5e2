/**
 * Localization of the discs on sagittal slices, the algorithm box:
 *
 *   for each batch of annotated slices:
 *     one augmented view of each slice, mirrored or upside down in some of the views
 *     maps = U-Net(view)
 *     loss = binary cross entropy between the maps and Gaussians at the annotated points (discTargets.ts)
 *
 * Validation names the discs by their maps (decode.ts) and measures their distances from the annotated discs of the same
 * level; the epoch with the smallest error is kept. The augmentation is stronger than the variation in one data set,
 * because scanners, contrasts and fields of view differ more.
 *
 * The baseline `localization.network=regression` trains coordinates with smooth L1, as fractions of the slice's side.
 */
import { z } from 'zod';
import { applyAffine } from '../data/affine.js';
import type { Bank } from '../data/bank.js';
import type { SliceRecord, Split } from '../data/types.js';
import type { Device } from '../engine/device.js';
import type { AugmentKeys, AugmentOptions } from '../engine/ops/augment.js';
import { bceWithLogits } from '../engine/ops/bceWithLogits.js';
import { mul } from '../engine/ops/elementwise.js';
import { smoothL1 } from '../engine/ops/smoothL1.js';
import type { Tensor } from '../engine/tensor.js';
import { SpinegradError } from '../error.js';
import {
  discErrors,
  type EvaluatedSlice,
  type FoundDisc,
  summariseLocalization,
} from '../evaluation/localization.js';
import { HeatmapLocalizer, type Localizer, MAPS, RegressionLocalizer } from '../model/localizer.js';
import { locate } from '../model/locate.js';
import type { Located } from '../model/located.js';
import { MEAN_PITCH_MM } from '../model/spineShape.js';
import { ResNet } from '../nn/resnet.js';
import { UNet } from '../nn/unet.js';
import { RandomStream } from '../random.js';
import type { Config } from './config.js';
import { decayGroups } from './groups.js';
import { withPhantoms } from './phantomSlices.js';
import { resnetOptions } from './settings/encoder.js';
import { SliceDataset, sliceNormalisation } from './sliceDataset.js';
import { type Run, runStage, type Stage, type StageResult } from './stage.js';

const PURPOSE = { network: 301, coordinates: 302, order: 303, views: 304 };

/** Larger distances, and discs that were not found, count as this many mm in the validation error. */
const MAX_ERROR_MM = 10;

/** Log odds of the maps before training: few pixels belong to a disc (Lin et al. 2017, section 4.1). */
export const MAP_PRIOR = -4;

const metrics = z.object({
  /** Mean distance of the discs in mm, each at most MAX_ERROR_MM. */
  validationErrorMm: z.number(),
  validationMedianMm: z.number(),
  validationWithin5Mm: z.number(),
  validationRmseMm: z.number().nullable(),
});

export type LocalizationMetrics = z.output<typeof metrics>;

type Context = Pick<Run, 'config' | 'device'>;

/** Trains the localizer. */
export async function trainLocalizer(
  run: Run,
  bank: Bank,
): Promise<StageResult<LocalizationMetrics> & { localizer: Localizer }> {
  const { seed, localization: settings } = run.config;
  const mixed = withPhantoms(bank, settings.phantoms, seed);
  using slices = new SliceDataset(run.device, mixed, sliceNormalisation(bank));
  const localizer = newLocalizer(run, slices.pitchMm);
  return { ...(await runStage(run, localization(run, slices, localizer))), localizer };
}

export function localization(
  { config, device }: Context,
  slices: SliceDataset,
  localizer: Localizer,
): Stage<SliceRecord, LocalizationMetrics> {
  const { localization: settings } = config;
  const validated = annotated(slices, 'validation');
  const lossOf = lossOn(slices, localizer, settings);

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
      const located = await locateRecords(device, localizer, slices, validated, 1);
      const errors = located.flatMap((found, index) => discErrors(evaluatedSlice(validated[index]!, found)));
      const total = errors.reduce((sum, { errorMm }) => sum + Math.min(errorMm ?? Infinity, MAX_ERROR_MM), 0);
      const { medianMm, within5Mm, rmseMm } = summariseLocalization(errors);
      return {
        validationErrorMm: total / errors.length,
        validationMedianMm: Math.min(medianMm ?? Infinity, MAX_ERROR_MM),
        validationWithin5Mm: within5Mm!,
        validationRmseMm: rmseMm,
      };
    },

    better: (row, best) => row.validationErrorMm < best.validationErrorMm,
  };
}

/**
 * The localizer before training.
 *
 * @param pitchMm mean distance of neighbouring lumbar points
 */
export function newLocalizer({ config, device }: Context, pitchMm = MEAN_PITCH_MM): Localizer {
  const { seed, localization: settings, data } = config;
  const build = { device, random: new RandomStream(seed, PURPOSE.network) };
  if (settings.network === 'unet') {
    const network = new UNet(build, { ...settings.unet, outputs: MAPS.length });
    network.parameters().get('head.bias')!.write(new Float32Array(MAPS.length).fill(MAP_PRIOR));
    return new HeatmapLocalizer(network, data.sliceSize, pitchMm);
  }
  const { width, strides } = settings.regression;
  const encoder = new ResNet(build, { ...resnetOptions(config.encoder), width, strides });
  const random = new RandomStream(seed, PURPOSE.coordinates);
  return new RegressionLocalizer({ device, random }, encoder, data.sliceSize);
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

/** Makes the loss of a batch. */
function lossOn(slices: SliceDataset, localizer: Localizer, settings: Config['localization']) {
  const augmentation = strengths(settings, slices.size);
  return (batch: readonly SliceRecord[], keys: AugmentKeys): Tensor => {
    const output = localizer.forward(slices.views(batch, keys, augmentation));
    if (localizer.kind === 'unet') {
      const { targets, weights } = slices.heatmaps(batch, keys, augmentation, localizer.mapStride, settings);
      return bceWithLogits(output, targets, { weight: weights });
    }
    const { targets, weights } = slices.coordinates(batch, keys, augmentation);
    const fractions = (points: Tensor) => mul(points, 1 / slices.size);
    const { beta } = settings.regression;
    return smoothL1(fractions(output), fractions(targets), { weight: weights, beta });
  };
}

/** The discs on slices of a dataset, in pixels of the original images. */
export function locateRecords(
  device: Device,
  localizer: Localizer,
  slices: SliceDataset,
  records: readonly SliceRecord[],
  views?: number,
): Promise<Located[]> {
  const { size, normalisation } = slices;
  return locate(localizer, slices.letterboxed(records), { device, size, normalisation }, views);
}

/** The discs that a reader marked on a slice and those that were found, for its evaluation. */
export const evaluatedSlice = (
  record: SliceRecord,
  {
    discs,
    doubts,
    lumbar,
  }: Pick<Located, 'lumbar'> & { discs: readonly FoundDisc[]; doubts: readonly string[] },
): EvaluatedSlice => ({
  study: record.studyId,
  series: record.series,
  image: record.file,
  pixelSpacing: record.pixelSpacing,
  annotated: (record.found ? [] : record.discs).map(({ level, centre }) => ({
    level,
    centre: applyAffine(record.toImage, centre),
  })),
  found: discs,
  doubts: lumbar ? doubts : [...doubts, 'not_lumbar'],
});
