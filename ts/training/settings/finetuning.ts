/** Settings of the training of the grader. */
import { z } from 'zod';
import { HEAD_NAMES } from '../../model/heads/names.js';
import { ARM_NAMES, ARMS, type TunedArmName } from '../arms.js';
import { count, fraction, optimizer, positive, setting } from './fields.js';

const rates = (encoderFactor: number, layerDecay: number) =>
  z
    .strictObject({
      encoder: setting(
        z.number().min(0),
        encoderFactor,
        "Learning rate of the encoder's last stage, as a fraction of the head's.",
      ),
      layerDecay: setting(fraction, layerDecay, 'Further factor of each earlier stage.'),
    })
    .prefault({});

const armRates = Object.fromEntries(
  ARMS.flatMap((arm) => (arm.rates ? [[arm.name, rates(arm.rates.encoder, arm.rates.layerDecay)]] : [])),
) as Record<TunedArmName, ReturnType<typeof rates>>;

export const finetuning = z.strictObject({
  epochs: setting(count, 15, 'Passes over the training discs; the paper uses 37.'),
  minSteps: setting(
    z.number().int().min(0),
    0,
    'Minimum number of optimizer steps: a smaller training set gets more epochs. Else a label fraction of 0.1 has a tenth of the steps.',
  ),
  batch: setting(z.number().int().min(2), 64, 'Discs per batch.'),
  head: setting(
    z.enum(HEAD_NAMES),
    'softmax',
    'Head of each task: layers, loss and probabilities. docs/networks.md describes the heads.',
  ),
  heads: setting(
    z.record(z.string(), z.enum(HEAD_NAMES)),
    {},
    'Heads of single tasks by id, such as {"spider/pfirrmann": "corn"}, where they differ from `finetuning.head`.',
  ),
  gamma: setting(z.number().min(0), 2, 'Focusing parameter of the focal loss; 0 is cross entropy.'),
  alpha: setting(
    z.enum(['inverse', 'sqrt', 'none']),
    'sqrt',
    'Class weights: the inverse of the training frequency, its square root, or none.',
  ),
  labelSmoothing: setting(
    z.number().min(0).max(0.5),
    0,
    'Fraction of the target that is spread over all grades.',
  ),
  sampling: setting(
    z.enum(['natural', 'balanced']),
    'natural',
    'Draw every disc once per epoch, or every grade equally often (then set alpha to none).',
  ),
  neighbours: setting(
    z.boolean(),
    true,
    'Train on neighbouring slices too, because the grade belongs to the whole disc.',
  ),
  dropout: setting(z.number().min(0).max(0.9), 0.2, 'Dropout of the embedding before the head.'),
  ema: setting(
    fraction.lt(1),
    0,
    'Decay per step of a moving average of the weights, such as 0.99. Validation sees the average, and the average is kept. 0: none.',
  ),
  rates: z
    .strictObject(armRates)
    .prefault({})
    .describe('Encoder rates of each arm whose encoder is trained.'),
  arms: setting(
    z.partialRecord(
      z.enum(ARM_NAMES),
      z.strictObject({ learningRate: positive.optional(), epochs: count.optional() }),
    ),
    {},
    'Learning rate and epochs of single arms, such as {"scratch": {"learningRate": 0.003, "epochs": 60}}, where they differ from those of all arms; a fair baseline has its own, chosen on the validation patients.',
  ),
  ...optimizer(1e-3, 1e-2),
});
