/** The weights of the modules of a stage, and their moving average if the stage has one. */
import type { Tensor } from '../engine/tensor.js';
import type { Module } from '../nn/module.js';
import { type Values, valuesOf } from '../nn/values.js';
import { Ema } from '../optim/ema.js';

/** Values by `<module>/<name>`. */
type Stored = Parameters<Module['load']>[0];

export class StageWeights implements Disposable {
  readonly #average: Ema | undefined;

  /** @param decay of the average; 0: there is none */
  constructor(
    private readonly modules: Readonly<Record<string, Module>>,
    decay: number,
  ) {
    if (decay > 0) this.#average = new Ema(this.#state(), decay);
  }

  /** The values of the weights. */
  values(): Promise<Values> {
    return valuesOf(this.#state());
  }

  /** The values of the average; empty without one. */
  average(): Promise<Values> {
    return valuesOf(this.#average?.tensors ?? []);
  }

  /** Moves the average after a step; `step` counts from 0. */
  update(step: number): void {
    this.#average?.update(step);
  }

  /** @param source origin of the values, for messages */
  load(values: Stored, source: string): void {
    for (const [key, module] of Object.entries(this.modules)) {
      const prefix = `${key}/`;
      const own = [...values].filter(([name]) => name.startsWith(prefix));
      module.load(new Map(own.map(([name, value]) => [name.slice(prefix.length), value])), source);
    }
  }

  /** Restores weights and average from a checkpoint. */
  restore(weights: Stored, average: Stored, source: string): void {
    if (this.#average) {
      this.load(average, source);
      const averages = this.#average.tensors;
      for (const [name, tensor] of averages) tensor.write(average.get(name)!.data as Float32Array);
    }
    this.load(weights, source);
  }

  /**
   * Runs the validation on the values that are kept: the average, or without one the weights.
   *
   * @param weights the values of the modules, which are restored
   */
  async validated<T>(weights: Values, validate: () => Promise<T>): Promise<{ kept: Values; result: T }> {
    if (!this.#average) return { kept: weights, result: await validate() };
    const kept = await this.average();
    this.load(kept, 'the average of the weights');
    const result = await validate();
    this.load(weights, 'the weights');
    return { kept, result };
  }

  #state(): Map<string, Tensor> {
    return new Map(
      Object.entries(this.modules).flatMap(([key, module]) =>
        [...module.state()].map(([name, tensor]) => [`${key}/${name}`, tensor] as const),
      ),
    );
  }

  [Symbol.dispose](): void {
    this.#average?.dispose();
  }
}
