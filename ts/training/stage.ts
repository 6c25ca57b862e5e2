/**
 * A training stage and the loop that all stages share. A stage states its algorithm: modules, parameter groups, training
 * items, loss and validation. The loop runs its steps (steps.ts), logs, writes checkpoints, keeps the best epoch, resumes
 * with the same bits, stops cleanly on Ctrl-C, and fails if the training diverges.
 */
import { z } from 'zod';
import type { Device } from '../engine/device.js';
import { indexOfNonFinite } from '../engine/finite.js';
import { SpinegradError } from '../error.js';
import type { Module } from '../nn/module.js';
import { type Values, valuesOf } from '../nn/values.js';
import type { CheckpointStore } from './checkpoint.js';
import type { Config } from './config.js';
import type { Progress } from './progress.js';
import type { RunLog } from './runLog.js';
import { StageWeights } from './stageWeights.js';
import { Steps, type Training } from './steps.js';

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

/** A training with modules to save and a validation; `Metrics` is what it adds to a row of the log. */
export interface Stage<Item, Metrics extends object> extends Training<Item> {
  name: string;
  modules: Record<string, Module>;
  /** Checks the metrics of rows that a checkpoint holds. */
  metrics: z.ZodType<Metrics>;
  /**
   * Decay per step of a moving average of the weights; 0 or absent: none. With one, validation sees the average, and the
   * average of the best epoch is kept.
   */
  ema?: number;
  /** Runs after each epoch with the modules in eval mode. */
  validate(epoch: number): Promise<Metrics>;
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

/**
 * Trains a stage from its checkpoint, or from its start, to its end. The modules then hold the weights of the best epoch.
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

/**
 * An epoch ends with a checkpoint if at least this many steps are not in one. A checkpoint of the default ResNet has 45 MB; with
 * one step per epoch, writing each would take as long as training.
 */
const CHECKPOINT_STEPS = 25;

class StageLoop<Item, Metrics extends object> implements Disposable {
  readonly #steps: Steps<Item>;
  readonly #weights: StageWeights;
  #rows: EpochRow<Metrics>[] = [];
  #epoch = 1;
  #step = 0;
  #lossSum = 0;
  #bestEpoch = 0;
  #done = false;
  #seconds = 0;
  #since = performance.now();
  /** Steps since the last checkpoint. */
  #unsaved = CHECKPOINT_STEPS;
  /** Weights of the best epoch, or their average. Empty if they are in the modules. */
  #best: Values = new Map();

  constructor(
    private readonly context: Run,
    private readonly stage: Stage<Item, Metrics>,
  ) {
    this.#steps = new Steps(stage, context.config.seed);
    this.#weights = new StageWeights(stage.modules, stage.ema ?? 0);
  }

  async resume(): Promise<void> {
    const { checkpoints, log } = this.context;
    const { name, metrics } = this.stage;
    const checkpoint = await checkpoints.read(name, epochSchema.and(metrics));
    this.#rows = checkpoint?.rows ?? [];
    await log.restore(name, this.#rows);
    if (!checkpoint) return;
    const { position, groups } = checkpoint;
    const source = checkpoints.path(name);
    this.#weights.restore(groups.weights, groups.average, source);
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
      const weights = await this.#endEpoch();
      if (this.#done || this.#unsaved >= CHECKPOINT_STEPS) await this.#save(weights);
    }
  }

  /** Enqueues each step before it awaits the loss of the previous one, so the device never waits for JavaScript. */
  async #train(): Promise<void> {
    const { device, progress, signal } = this.context;
    const { name, settings } = this.stage;
    const steps = this.#steps.count(this.#epoch);
    const report = () =>
      progress.update(
        name,
        (this.#epoch - 1) * steps + this.#step,
        settings.epochs * steps,
        `epoch ${this.#epoch}/${settings.epochs}`,
      );
    report();
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
      const loss = this.#steps.run(this.#epoch, this.#step);
      this.#weights.update((this.#epoch - 1) * steps + this.#step);
      this.#step++;
      this.#unsaved++;
      const value = loss.item().finally(() => loss.dispose());
      value.catch(() => {});
      await settle();
      pending = value;
      report();
      if (signal.aborted) {
        await settle();
        await this.#save(await this.#finiteWeights());
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
    const weights = await this.#finiteWeights();
    const validate = () =>
      stage.validate(this.#epoch).catch((error: SpinegradError) => {
        if (error.code !== 'ERR_NOT_FINITE') throw error;
        throw this.#diverged(`validation after epoch ${this.#epoch}: ${error.message}`, error);
      });
    const { kept, result: metrics } = await this.#weights.validated(weights, validate);
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
      this.#best = stage.better || kept !== weights ? kept : new Map();
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
        average: await this.#weights.average(),
        optimizer: await valuesOf(Object.entries(this.#steps.optimizer.stateTensors())),
      },
    );
    this.#unsaved = 0;
  }

  /** The values of all modules. Refuses weights that are not finite, so that no checkpoint holds them. */
  async #finiteWeights(): Promise<Values> {
    const values = await this.#weights.values();
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
    if (this.#best.size > 0) this.#weights.load(this.#best, `best epoch of ${this.stage.name}`);
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
    this.#weights[Symbol.dispose]();
  }
}
