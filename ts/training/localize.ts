/**
 * Localization: where the five discs lie on the canal slice. The network sees views of the training slices that are
 * turned, scaled, shifted and changed in contrast far more than the data, since scanners and fields of view differ
 * more than one data set shows; half of them are mirrored, so that a wrong header does no harm. The loss is a distance
 * of coordinates, as shares of the slice's side; levels that nobody annotated, or that a view does not show, count
 * nothing.
 *
 * `beside`: a network of its own, kept at the epoch with the least validation error. `joint`: a head on the encoder
 * that is being pretrained, whose loss is added to InfoNCE's. Slices and crops go through it apart, each normalised by
 * its own batch, since their intensities differ; running statistics are those of the crops, and when the encoder is
 * done the localizer's copy of them is measured anew on slices (auxiliary batch norm, Xie et al., CVPR 2020).
 */

import { LEVELS } from '../anatomy.js';
import { applyAffine } from '../data/affine.js';
import type { Bank } from '../data/bank.js';
import type { SliceRecord } from '../data/types.js';
import { backward, noGrad } from '../engine/autograd.js';
import type { AugmentKeys, AugmentOptions } from '../engine/ops/augment.js';
import { mse } from '../engine/ops/mse.js';
import { mul } from '../engine/ops/mul.js';
import { smoothL1 } from '../engine/ops/smoothL1.js';
import { type Tensor, tidy } from '../engine/tensor.js';
import { SpinegradError } from '../error.js';
import { type Centres, localizationErrors } from '../evaluation/localization.js';
import type { LocalizationSummary } from '../evaluation/types.js';
import { LocalizationHead, Localizer } from '../model/localizer.js';
import { letterboxed, locate } from '../model/locate.js';
import { withoutStatistics } from '../nn/layers.js';
import { ResNet } from '../nn/resnet.js';
import { AdamW } from '../optim/adamW.js';
import { RandomStream } from '../random.js';
import type { Config } from './config.js';
import { batches, shuffled } from './discs.js';
import { decayGroups, stageSchedule, update } from './groups.js';
import { Slices } from './slices.js';
import { type Run, runStage, type StageResult } from './stage.js';

/** Batches after which a running statistic, which a batch moves by a tenth, has forgotten what it was. */
const MEASURED = 100;

const PURPOSE = { encoder: 301, head: 302, order: 303, views: 304 };

/** Trains the localizer of its own network. */
export async function trainLocalizer(run: Run, bank: Bank): Promise<StageResult & { localizer: Localizer }> {
  const { config, device } = run;
  const { seed, localization: settings } = config;
  using slices = new Slices(device, bank);
  const localizer = newLocalizer(run);
  const trained = annotated(slices.of('train'));
  const validated = annotated(slices.of('validation'));
  const augmentation = strengths(config, slices.size);
  const groups = decayGroups({ localizer }, settings);
  const parameters = groups.flatMap((group) => [...group.parameters.values()]);
  using optimizer = new AdamW(groups);
  const perEpoch = Math.max(1, Math.floor(trained.length / settings.batch));
  const schedule = stageSchedule(settings, perEpoch);
  let order: SliceRecord[][] = [];

  const result = await runStage(run, {
    name: 'localization',
    epochs: settings.epochs,
    modules: { localizer },
    optimizer,

    begin(epoch) {
      order = batches(shuffled(trained, new RandomStream(seed, PURPOSE.order, epoch)), settings.batch, 2);
      order.splice(perEpoch);
      return order.length;
    },

    step(epoch, step) {
      const done = (epoch - 1) * perEpoch + step;
      const keys = { seed: seed ^ PURPOSE.views, step: done };
      return tidy(() => {
        const views = slices.views(order[step]!, keys, augmentation);
        const loss = coordinateLoss(
          localizer.forward(views),
          slices,
          order[step]!,
          keys,
          augmentation,
          settings,
        );
        backward(loss);
        update(optimizer, parameters, settings.clipNorm, schedule(done));
        return loss;
      });
    },

    async validate(epoch) {
      const found = await locateRecords(run, bank, localizer, validated, slices, 1);
      const { rmsePx, rmseMm, perLevel } = summarise(found, validated);
      return {
        learningRate: settings.learningRate * schedule(epoch * perEpoch - 1),
        validationRmsePx: rmsePx,
        validationRmseMm: rmseMm,
        validationRmseMmPerLevel: LEVELS.map((level) => perLevel[level]!.rmseMm),
      };
    },

    // The log has null for what is not a number.
    better: (row, best) => Number(row.validationRmseMm) < Number(best.validationRmseMm ?? Infinity),
  });
  return { ...result, localizer };
}

/** The localizer's network before any training. */
export function newLocalizer({ config, device }: Pick<Run, 'config' | 'device'>): Localizer {
  const { seed, localization: settings, data } = config;
  const encoder = new ResNet(
    { device, random: new RandomStream(seed, PURPOSE.encoder) },
    settings.mode === 'joint' ? config.encoder : { ...config.encoder, ...settings.encoder },
  );
  return new Localizer(encoder, newHead({ config, device }, encoder, data.sliceSize));
}

function newHead(
  { config, device }: Pick<Run, 'config' | 'device'>,
  encoder: ResNet,
  size: number,
): LocalizationHead {
  const random = new RandomStream(config.seed, PURPOSE.head);
  return new LocalizationHead({ device, random }, encoder, size, config.localization.head);
}

/**
 * The same task as a second loss on an encoder that is being pretrained, and then its localizer. Its slices stay on
 * the device until `dispose()`.
 */
export function jointLocalization(run: Run, bank: Bank, encoder: ResNet) {
  const { config, device } = run;
  const { seed, localization: settings } = config;
  const slices = new Slices(device, bank);
  const trained = annotated(slices.of('train'));
  const augmentation = strengths(config, slices.size);
  const head = newHead(run, encoder, slices.size);
  const localizer = new Localizer(encoder, head);
  const draw = (epoch: number, step: number) => {
    const random = new RandomStream(seed, PURPOSE.order, epoch, step);
    const batch = Array.from({ length: settings.batch }, () => random.pick(trained));
    return { batch, keys: { seed: seed ^ PURPOSE.views, step: random.bits() } };
  };
  return {
    head,
    weight: settings.weight,
    loss(epoch: number, step: number): Tensor {
      const { batch, keys } = draw(epoch, step);
      const points = withoutStatistics(encoder, () =>
        localizer.forward(slices.views(batch, keys, augmentation)),
      );
      return coordinateLoss(points, slices, batch, keys, augmentation, settings);
    },
    /** Turns the trained encoder into the localizer's: its running statistics become those of slices. */
    finish(): Localizer {
      localizer.train();
      for (let step = 0; step < MEASURED; step++) {
        const { batch, keys } = draw(0, step);
        noGrad(() => tidy(() => localizer.forward(slices.views(batch, keys, augmentation)).dispose()));
      }
      return localizer.eval();
    },
    dispose: () => slices.dispose(),
  };
}

function annotated(records: readonly SliceRecord[]): SliceRecord[] {
  const known = records.filter(({ centres }) => LEVELS.some((level) => centres[level]));
  if (known.length > 1) return known;
  throw new SpinegradError(
    'ERR_DATA_EMPTY',
    `localization: found ${known.length} annotated slices on a side of the split, expected at least 2; add studies`,
  );
}

function strengths({ localization: { augmentation } }: Config, size: number): AugmentOptions {
  const { translation, ...others } = augmentation;
  return { ...others, translation: translation * size, cutoutFill: 'zero' };
}

/** Distance of the points from where they lie in the views, as shares of the side. */
function coordinateLoss(
  points: Tensor,
  slices: Slices,
  batch: readonly SliceRecord[],
  keys: AugmentKeys,
  augmentation: AugmentOptions,
  { loss, beta }: Config['localization'],
): Tensor {
  const { device, shape } = points;
  const targets = slices.targets(batch, keys, augmentation);
  const truth = device.tensor(
    targets.points.map((pixels) => pixels / slices.size),
    shape,
  );
  const weight = device.tensor(targets.weights, shape);
  const shares = mul(points, 1 / slices.size);
  return loss === 'mse' ? mse(shares, truth, { weight }) : smoothL1(shares, truth, { weight, beta });
}

/** The centres of bank slices in pixels of their original images. */
export async function locateRecords(
  { device }: Pick<Run, 'device'>,
  { slices: pixels }: Pick<Bank, 'slices'>,
  localizer: Localizer,
  records: readonly SliceRecord[],
  { size, normalisation }: Pick<Slices, 'size' | 'normalisation'>,
  views?: number,
): Promise<Centres[]> {
  const found = await locate(
    device,
    localizer,
    letterboxed(pixels, size, records),
    size,
    normalisation,
    views,
  );
  return found.map(
    ({ points }) => Object.fromEntries(LEVELS.map((level, index) => [level, points[index]!])) as Centres,
  );
}

/** How far centres lie from the annotated ones, in pixels of the original images and in mm. */
export function summarise(found: readonly Centres[], records: readonly SliceRecord[]): LocalizationSummary {
  const truth = records.map(({ centres, toImage }) => {
    const original = (level: (typeof LEVELS)[number]) => {
      const centre = centres[level];
      return centre && applyAffine(toImage, centre);
    };
    return Object.fromEntries(LEVELS.map((level) => [level, original(level)])) as Centres;
  });
  return localizationErrors(
    found,
    truth,
    records.map(({ pixelSpacing }) => pixelSpacing),
  );
}
