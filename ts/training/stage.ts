/**
 * A training stage and the loop that all stages share. A stage states its algorithm: modules, parameter groups, training
 * items, loss and validation. The loop does the rest once: order, optimizer, schedule, clipping, logging, checkpoints,
 * the best epoch, resuming with the same bits, a clean stop on Ctrl-C, and an error if the training diverges.
 */
import { z } from 'zod';
import { backward } from '../engine/autograd.js';
import type { Device } from '../engine/device.js';
import { indexOfNonFinite } from '../engine/finite.js';
import { clipGradNorm } from '../engine/ops/clipGradNorm.js';
import { add } from '../engine/ops/elementwise.js';
import { type Tensor, tidy } from '../engine/tensor.js';
import { SpinegradError } from '../error.js';
import { batches } from '../model/batches.js';
import type { Module } from '../nn/module.js';
import { type Values, valuesOf } from '../nn/values.js';
import { AdamW } from '../optim/adamW.js';
import { type Schedule, warmupCosine } from '../optim/schedules.js';
import { RandomStream } from '../random.js';
import type { CheckpointStore } from './checkpoint.js';
import type { Config } from './config.js';
import type { Group } from './groups.js';
import type { Progress } from './progress.js';
import type { RunLog } from './runLog.js';

/** The objects that every stage works with. */
export interface Run {
  dir: string;
  config: Config;
  device: Device;
  checkpoints: CheckpointStore;
  log: RunLog;
  progress: Progress;
  signal: AbortSignal;
}

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
  settings: Pick<Config['pretraining'], 'epochs' | 'learningRate' | 'warmupEpochs' | 'floor' | 'clipNorm'>;
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
  /** A second loss that is added to the first before backward and is not in the log. */
  auxiliaryLossOf?: ((keys: StepKeys) => Tensor) | undefined;
}

/** A training with modules to save and a validation; `Metrics` is what it adds to a row of the log. */
export interface Stage<Item, Metrics extends object> extends Training<Item> {
  name: string;
  modules: Record<string, Module>;
  /** Checks the metrics of rows that a checkpoint holds. */
  metrics: z.ZodType<Metrics>;
  /** Runs after each epoch with the modules in eval mode. */
  validate(): Promise<Metrics>;
  /** Whether an epoch is better than the best one so far; without it the last epoch is kept. */
  better?(metrics: Metrics, best: Metrics): boolean;
}

const epochSchema = z.object({
  stage: z.string(),
  /** From 1. */
  epoch: z.number().int(),
  /** Mean loss of the epoch's steps. */
  trainLoss: z.number(),
  /** Of the epoch's last step. */
  learningRate: z.number(),
});

/** A row of metrics.jsonl. */
export type EpochRow<Metrics> = z.output<typeof epochSchema> & Metrics;

export interface StageResult<Metrics> {
  rows: EpochRow<Metrics>[];
  /** The row of the epoch whose weights are kept; undefined if the stage has no epochs. */
  best: EpochRow<Metrics> | undefined;
  /** Time spent on the stage, over all resumed runs. */
  seconds: number;
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

/** The training steps of a stage, by epoch and step. */
export class Steps<Item> implements Disposable {
  readonly optimizer: AdamW;
  readonly #perEpoch: number;
  readonly #schedule: Schedule;
  readonly #parameters: readonly Tensor[];
  #order: { epoch: number; batches: Item[][] } = { epoch: 0, batches: [] };

  constructor(
    private readonly training: Training<Item>,
    private readonly seed: number,
  ) {
    const { settings, groups, items, batchSize } = training;
    this.optimizer = new AdamW(groups);
    this.#perEpoch = Math.max(1, Math.floor(items.length / batchSize));
    this.#schedule = stageSchedule(settings, this.#perEpoch);
    this.#parameters = groups.flatMap(({ parameters }) => [...parameters.values()]);
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
      backward(training.auxiliaryLossOf ? add(loss, training.auxiliaryLossOf(keys)) : loss);
      clipGradNorm(this.#parameters, training.settings.clipNorm).dispose();
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

/**
 * Trains a stage from its checkpoint, or from its start, to its end; the modules hold the weights of the best epoch then.
 *
 * @throws SpinegradError ERR_DIVERGED if a loss, a weight or a result of the validation is not finite; ERR_CHECKPOINT; the
 *   signal's reason when it is aborted
 */
export async function runStage<Item, Metrics extends object>(
  run: Run,
  stage: Stage<Item, Metrics>,
): Promise<StageResult<Metrics>> {
  using loop = new StageLoop(run, stage);
  await loop.resume();
  await loop.run();
  return loop.finish();
}

class StageLoop<Item, Metrics extends object> implements Disposable {
  readonly #steps: Steps<Item>;
  #rows: EpochRow<Metrics>[] = [];
  #epoch = 1;
  #step = 0;
  #lossSum = 0;
  #bestEpoch = 0;
  #done = false;
  #seconds = 0;
  #since = performance.now();
  /** Weights of the best epoch. Empty if it is the last one, whose weights are in the modules. */
  #best: Values = new Map();

  constructor(
    private readonly context: Run,
    private readonly stage: Stage<Item, Metrics>,
  ) {
    this.#steps = new Steps(stage, context.config.seed);
  }

  async resume(): Promise<void> {
    const { checkpoints, log } = this.context;
    const { name, modules, metrics } = this.stage;
    const checkpoint = await checkpoints.read(name, epochSchema.and(metrics));
    this.#rows = checkpoint?.rows ?? [];
    await log.restore(name, this.#rows);
    if (!checkpoint) return;
    const { position, groups } = checkpoint;
    const source = checkpoints.path(name);
    for (const [key, module] of Object.entries(modules)) module.load(entriesOf(groups.weights, key), source);
    const moments = [...groups.optimizer].map(([key, { data }]) => [key, data] as const);
    this.#steps.optimizer.loadState(Object.fromEntries(moments) as Record<string, Float32Array | Int32Array>);
    this.#best = groups.best as Values;
    this.#epoch = position.epoch;
    this.#step = position.step;
    this.#lossSum = position.lossSum;
    this.#bestEpoch = position.bestEpoch;
    this.#done = position.done;
    this.#seconds = position.seconds;
  }

  async run(): Promise<void> {
    if (this.stage.settings.epochs === 0) this.#done = true;
    while (!this.#done) {
      this.#mode(true);
      await this.#train();
      await this.#save(await this.#endEpoch());
    }
  }

  /** Enqueues each step before it awaits the loss of the previous one, so the device never waits for JavaScript. */
  async #train(): Promise<void> {
    const { device, progress, signal } = this.context;
    const { name, settings } = this.stage;
    const steps = this.#steps.count(this.#epoch);
    let pending: Promise<number> | undefined;
    const settle = async () => {
      if (pending === undefined) return;
      const loss = await pending;
      pending = undefined;
      if (!Number.isFinite(loss)) throw this.#diverged(`the loss of epoch ${this.#epoch} is ${loss}`);
      this.#lossSum += loss;
    };
    while (this.#step < steps) {
      device.beginSpan(`${name}, epoch ${this.#epoch}, step ${this.#step + 1}`);
      const loss = this.#steps.run(this.#epoch, this.#step++);
      const value = loss.item().finally(() => loss.dispose());
      value.catch(() => {});
      await settle();
      pending = value;
      progress.update(
        name,
        (this.#epoch - 1) * steps + this.#step,
        settings.epochs * steps,
        `epoch ${this.#epoch}/${settings.epochs}`,
      );
      if (signal.aborted) {
        await settle();
        await this.#save(await this.#weights());
        signal.throwIfAborted();
      }
    }
    await settle();
  }

  /** Validates and logs the epoch; returns its weights. */
  async #endEpoch(): Promise<Values> {
    const { stage, context } = this;
    this.#mode(false);
    context.device.beginSpan(`${stage.name}, epoch ${this.#epoch}, validation`);
    const weights = await this.#weights();
    const metrics = await stage.validate().catch((error: SpinegradError) => {
      if (error.code !== 'ERR_NOT_FINITE') throw error;
      throw this.#diverged(`validation after epoch ${this.#epoch}: ${error.message}`, error);
    });
    const row = {
      stage: stage.name,
      epoch: this.#epoch,
      trainLoss: this.#lossSum / this.#steps.count(this.#epoch),
      learningRate: this.#steps.learningRate(this.#epoch),
      ...metrics,
    };
    const best = this.#bestRow();
    if (!best || !stage.better || stage.better(row, best)) {
      this.#bestEpoch = this.#epoch;
      this.#best = stage.better ? weights : new Map();
    }
    this.#rows.push(row);
    context.log.append(row);
    if (this.#epoch >= stage.settings.epochs) {
      this.#seconds = this.#elapsed();
      this.#done = true;
    }
    this.#epoch++;
    this.#step = 0;
    this.#lossSum = 0;
    return weights;
  }

  async #save(weights: Values): Promise<void> {
    const { stage, context } = this;
    context.device.beginSpan(`${stage.name}, checkpoint`);
    await context.checkpoints.write(
      stage.name,
      {
        epoch: this.#epoch,
        step: this.#step,
        lossSum: this.#lossSum,
        bestEpoch: this.#bestEpoch,
        done: this.#done,
        seconds: this.#elapsed(),
        rows: this.#rows,
      },
      {
        weights,
        best: this.#best,
        optimizer: await valuesOf(Object.entries(this.#steps.optimizer.stateTensors())),
      },
    );
  }

  /** The values of all modules. Refuses weights that are not finite, so that no checkpoint holds them. */
  async #weights(): Promise<Values> {
    const modules = Object.entries(this.stage.modules);
    const values = await valuesOf(
      modules.flatMap(([key, module]) =>
        [...module.state()].map(([name, tensor]) => [`${key}/${name}`, tensor] as const),
      ),
    );
    for (const [name, { data }] of values) {
      if (indexOfNonFinite(data) < 0) continue;
      throw this.#diverged(`'${name}' in epoch ${this.#epoch} is not finite`);
    }
    return values;
  }

  #diverged(found: string, cause?: Error): SpinegradError {
    const { name } = this.stage;
    const setting = `${name.split('-')[0]}.learningRate`;
    return new SpinegradError('ERR_DIVERGED', `${name}: ${found}; lower ${setting} and start a new run`, {
      cause,
    });
  }

  finish(): StageResult<Metrics> {
    const { modules, name } = this.stage;
    if (this.#best.size > 0) {
      for (const [key, module] of Object.entries(modules)) {
        module.load(entriesOf(this.#best, key), `best epoch of ${name}`);
      }
    }
    this.#mode(false);
    return { rows: this.#rows, best: this.#bestRow(), seconds: this.#elapsed() };
  }

  #bestRow(): EpochRow<Metrics> | undefined {
    return this.#rows.find(({ epoch }) => epoch === this.#bestEpoch);
  }

  #elapsed(): number {
    return this.#seconds + (this.#done ? 0 : (performance.now() - this.#since) / 1000);
  }

  #mode(training: boolean): void {
    for (const module of Object.values(this.stage.modules)) module.train(training);
  }

  [Symbol.dispose](): void {
    this.#steps[Symbol.dispose]();
  }
}

/** The entries of one module in a group of tensors, without the prefix `<key>/`. */
function entriesOf<T>(tensors: ReadonlyMap<string, T>, key: string): Map<string, T> {
  const prefix = `${key}/`;
  return new Map(
    [...tensors]
      .filter(([name]) => name.startsWith(prefix))
      .map(([name, value]) => [name.slice(prefix.length), value]),
  );
}
