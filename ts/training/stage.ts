/**
 * The loop that all stages of a run share: epochs of steps, a line in the log, a checkpoint, and the weights of the
 * best epoch in the end. A stage says what a step and a validation are; everything that makes a run robust
 * (resuming at any step with the same bits, ending cleanly on Ctrl-C, refusing a loss that is not a number) is here.
 */
import type { Device } from '../engine/device.js';
import { indexOfNonFinite } from '../engine/finite.js';
import type { Tensor } from '../engine/tensor.js';
import { SpinegradError } from '../error.js';
import type { Module } from '../nn/module.js';
import type { Optimizer } from '../optim/optimizer.js';
import { type CheckpointStore, type Values, valuesOf } from './checkpoint.js';
import type { Config } from './config.js';
import type { Progress } from './progress.js';
import type { LogRow, RunLog } from './runLog.js';

type AnyOptimizer = Pick<Optimizer<{ learningRate: number }>, 'stateTensors' | 'loadState'>;

/** What every stage works with. */
export interface Run {
  dir: string;
  config: Config;
  device: Device;
  checkpoints: CheckpointStore;
  log: RunLog;
  progress: Progress;
  signal: AbortSignal;
}

export interface Stage {
  name: string;
  epochs: number;
  modules: Record<string, Module>;
  optimizer: AnyOptimizer;
  /** Called before the first step of each epoch (from 1); returns the number of steps. */
  begin(epoch: number): number;
  /** Enqueues step `step` (from 0) of the epoch: forward, backward, update. Returns the loss, which the loop frees. */
  step(epoch: number, step: number): Tensor;
  /** Runs after each epoch with the modules in eval mode; its metrics go into the log. */
  validate(epoch: number): Promise<Record<string, unknown>>;
  /** Whether an epoch's metrics beat the best so far; without it the last epoch is the best. */
  better?(row: LogRow, best: LogRow): boolean;
}

export interface StageResult {
  rows: LogRow[];
  bestEpoch: number;
  /** Spent on the stage, over all resumed runs. */
  seconds: number;
}

/** Trains a stage from its checkpoint, or from its start, to its end; leaves the best epoch's weights in its modules. */
export async function runStage(run: Run, stage: Stage): Promise<StageResult> {
  const loop = new StageLoop(run, stage);
  await loop.resume();
  await loop.run();
  return loop.finish();
}

class StageLoop {
  #epoch = 1;
  #step = 0;
  #lossSum = 0;
  #bestEpoch = 0;
  #done = false;
  #seconds = 0;
  #since = performance.now();
  #best: Values = new Map();

  constructor(
    private readonly context: Run,
    private readonly stage: Stage,
  ) {}

  async resume(): Promise<void> {
    const { checkpoints, log } = this.context;
    const { name, modules, optimizer } = this.stage;
    const checkpoint = await checkpoints.read(name);
    await log.restore(name, checkpoint?.position.rows ?? []);
    if (!checkpoint) return;
    const { position, groups } = checkpoint;
    const source = checkpoints.path(name);
    for (const [key, module] of Object.entries(modules)) module.load(within(groups.weights, key), source);
    const moments = [...groups.optimizer].map(([key, { data }]) => [key, data] as const);
    optimizer.loadState(Object.fromEntries(moments) as Record<string, Float32Array | Int32Array>);
    this.#best = groups.best as Values;
    this.#epoch = position.epoch;
    this.#step = position.step;
    this.#lossSum = position.lossSum;
    this.#bestEpoch = position.bestEpoch;
    this.#done = position.done;
    this.#seconds = position.seconds;
  }

  async run(): Promise<void> {
    if (this.stage.epochs === 0) this.#done = true;
    while (!this.#done) {
      const steps = this.stage.begin(this.#epoch);
      this.#mode(true);
      await this.#train(steps);
      await this.#save(await this.#endEpoch(steps));
    }
  }

  /** Each step is enqueued before the loss of the one before is awaited, so the device never waits for JavaScript. */
  async #train(steps: number): Promise<void> {
    const { device, progress, signal } = this.context;
    const { name, epochs } = this.stage;
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
      const loss = this.stage.step(this.#epoch, this.#step++);
      const value = loss.item().finally(() => loss.dispose());
      value.catch(() => {});
      await settle();
      pending = value;
      progress.update(
        name,
        (this.#epoch - 1) * steps + this.#step,
        epochs * steps,
        `epoch ${this.#epoch}/${epochs}`,
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
  async #endEpoch(steps: number): Promise<Values> {
    const { stage, context } = this;
    this.#mode(false);
    context.device.beginSpan(`${stage.name}, epoch ${this.#epoch}, validation`);
    const weights = await this.#weights();
    const metrics = await stage.validate(this.#epoch).catch((error: SpinegradError) => {
      if (error.code !== 'ERR_NOT_FINITE') throw error;
      throw this.#diverged(`validation after epoch ${this.#epoch}: ${error.message}`, error);
    });
    const row: LogRow = {
      stage: stage.name,
      epoch: this.#epoch,
      trainLoss: this.#lossSum / steps,
      ...metrics,
    };
    const best = context.log.rows(stage.name).find(({ epoch }) => epoch === this.#bestEpoch);
    if (!best || !stage.better || stage.better(row, best)) {
      this.#bestEpoch = this.#epoch;
      this.#best = stage.better ? weights : new Map();
    }
    context.log.append(row);
    if (this.#epoch >= stage.epochs) {
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
        rows: context.log.rows(stage.name),
      },
      {
        weights,
        best: this.#best,
        optimizer: await valuesOf(Object.entries(stage.optimizer.stateTensors())),
      },
    );
  }

  /** The values of all modules; refuses those of a training that diverged, which would be saved as a checkpoint. */
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

  finish(): StageResult {
    const { modules, name } = this.stage;
    if (this.#best.size > 0) {
      for (const [key, module] of Object.entries(modules)) {
        module.load(within(this.#best, key), `best epoch of ${name}`);
      }
    }
    this.#mode(false);
    return { rows: this.context.log.rows(name), bestEpoch: this.#bestEpoch, seconds: this.#elapsed() };
  }

  #elapsed(): number {
    return this.#seconds + (this.#done ? 0 : (performance.now() - this.#since) / 1000);
  }

  #mode(training: boolean): void {
    for (const module of Object.values(this.stage.modules)) module.train(training);
  }
}

/** The entries of a module in a group of tensors, without the module's own prefix. */
function within<T>(tensors: ReadonlyMap<string, T>, key: string): Map<string, T> {
  const prefix = `${key}/`;
  return new Map(
    [...tensors]
      .filter(([name]) => name.startsWith(prefix))
      .map(([name, value]) => [name.slice(prefix.length), value]),
  );
}
