/**
 * The training steps of a stage: order of the items, loss, gradients, clipping, learning rate and update. A run, the peer
 * benchmark and the step profiler all call `Steps`.
 */
import { backward } from '../engine/autograd.js';
import { clipGradNorm } from '../engine/ops/clipGradNorm.js';
import type { Tensor } from '../engine/tensor.js';
import { tidy } from '../engine/tidy.js';
import { batches } from '../model/batches.js';
import { AdamW, type AdamWSettings } from '../optim/adamW.js';
import { LARS, type LarsSettings } from '../optim/lars.js';
import type { Optimizer } from '../optim/optimizer.js';
import { type Schedule, warmupCosine } from '../optim/schedules.js';
import { RandomStream } from '../random.js';
import type { Config } from './config.js';
import type { Group } from './groups.js';

/** The random streams of one training step; each purpose has its own. */
export class StepKeys {
  /**
   * @param epoch from 1
   * @param step of the epoch, from 0
   * @param count steps since the stage began
   */
  constructor(
    private readonly seed: number,
    private readonly epoch: number,
    private readonly step: number,
    private readonly count: number,
  ) {}

  /** Random numbers on the host. */
  stream(purpose: number): RandomStream {
    return new RandomStream(this.seed, purpose, this.epoch, this.step);
  }

  /** Keys of random numbers on the device. */
  device(purpose: number): { seed: number; step: number } {
    return { seed: this.seed ^ purpose, step: this.count };
  }
}

/** What a training step needs: the algorithm without validation. */
export interface Training<Item> {
  settings: Pick<Config['pretraining'], 'epochs' | 'learningRate' | 'warmupEpochs' | 'floor' | 'clipNorm'> &
    Partial<Pick<Config['pretraining'], 'optimizer'>>;
  /** Parameters with their rates and weight decays. */
  groups: readonly Group[];
  /** The training items of an epoch. */
  items: readonly Item[];
  /** Items per step. */
  batchSize: number;
  /** Purpose of the stream that draws the order of an epoch. */
  orderPurpose: number;
  /** The items of an epoch in order; default: a permutation. */
  draw?(random: RandomStream): Item[];
  /** The loss [1] of a batch, recorded for backward. */
  lossOf(batch: readonly Item[], keys: StepKeys): Tensor;
}

/** Warm-up and cosine over a stage; a stage that is shorter than its warm-up is warm-up only. */
export function stageSchedule(
  { epochs, warmupEpochs, floor }: Pick<Training<never>['settings'], 'epochs' | 'warmupEpochs' | 'floor'>,
  stepsPerEpoch: number,
): Schedule {
  const totalSteps = Math.max(1, epochs * stepsPerEpoch);
  const warmupSteps = Math.min(totalSteps, Math.round(warmupEpochs * stepsPerEpoch));
  return warmupCosine({ warmupSteps, totalSteps, floor });
}

/** Batches of an epoch; items that do not fill a batch are left out. */
export const stepsPerEpoch = (items: number, batchSize: number): number =>
  Math.max(1, Math.floor(items / batchSize));

/** The training steps of a stage, by epoch and step. */
export class Steps<Item> implements Disposable {
  readonly optimizer: Optimizer<AdamWSettings> | Optimizer<LarsSettings>;
  readonly #perEpoch: number;
  readonly #schedule: Schedule;
  #order: { epoch: number; batches: Item[][] } = { epoch: 0, batches: [] };

  constructor(
    private readonly training: Training<Item>,
    private readonly seed: number,
  ) {
    const { settings, groups, items, batchSize } = training;
    this.optimizer = settings.optimizer === 'lars' ? new LARS(groups) : new AdamW(groups);
    this.#perEpoch = stepsPerEpoch(items.length, batchSize);
    this.#schedule = stageSchedule(settings, this.#perEpoch);
  }

  /** Number of steps of an epoch (from 1). */
  count(epoch: number): number {
    return this.#batches(epoch).length;
  }

  /** Enqueues forward, backward and update of step `step` (from 0); returns the loss, which the caller disposes. */
  run(epoch: number, step: number): Tensor {
    const { training, seed, optimizer } = this;
    const batch = this.#batches(epoch)[step]!;
    const count = (epoch - 1) * this.#perEpoch + step;
    const keys = new StepKeys(seed, epoch, step, count);
    return tidy(() => {
      const loss = training.lossOf(batch, keys);
      loss.keep();
      backward(loss);
      clipGradNorm(training.groups, training.settings.clipNorm).dispose();
      optimizer.learningRateFactor = this.#schedule(count);
      optimizer.step();
      optimizer.zeroGrad();
      return loss;
    });
  }

  /** Learning rate of the last step of an epoch. */
  learningRate(epoch: number): number {
    return this.training.settings.learningRate * this.#schedule(epoch * this.#perEpoch - 1);
  }

  #batches(epoch: number): Item[][] {
    if (this.#order.epoch !== epoch) {
      const { items, batchSize, orderPurpose, draw } = this.training;
      const random = new RandomStream(this.seed, orderPurpose, epoch);
      const drawn = batches(draw ? draw(random) : shuffled(items, random), batchSize, 2);
      this.#order = { epoch, batches: drawn.slice(0, this.#perEpoch) };
    }
    return this.#order.batches;
  }

  [Symbol.dispose](): void {
    this.optimizer.dispose();
  }
}

/** A permutation (Fisher and Yates). */
function shuffled<T>(items: readonly T[], random: RandomStream): T[] {
  const order = [...items];
  for (let i = order.length - 1; i > 0; i--) {
    const j = Math.floor(random.uniform(0, i + 1));
    [order[i], order[j]] = [order[j]!, order[i]!];
  }
  return order;
}
