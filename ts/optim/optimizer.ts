/**
 * Base of the optimizers: parameter groups with separate settings, the moments of each parameter, and the state for
 * checkpoints. A step reads nothing back from the device.
 */

import { optionsOf } from '../arguments.js';
import type { TypedArray } from '../engine/dtype.js';
import { expectFinite } from '../engine/finite.js';
import { groupsOf, type ParameterGroup, type Parameters } from '../engine/ops/multitensor.js';
import { expectTensor, type Tensor } from '../engine/tensor.js';
import { SpinegradError } from '../error.js';

/** The tensors of one parameter in a step. */
export interface ParameterUpdate {
  parameter: Tensor;
  gradient: Tensor;
  /** In the order of the `moments` of the optimizer. */
  moments: readonly Tensor[];
}

interface Slot {
  name: string;
  parameter: Tensor;
  moments: readonly Tensor[];
  /** Number of steps of this parameter. Steps without a gradient do not count. */
  steps: number;
}

interface Group<Settings> {
  name: string;
  settings: Settings;
  slots: Slot[];
}

/** Base class of the optimizers. */
export abstract class Optimizer<Settings extends { learningRate: number }> implements Disposable {
  /** Multiplies the learning rates of all groups; a schedule sets it before each step. */
  learningRateFactor = 1;
  readonly #groups: Group<Settings>[];
  readonly #moments: readonly string[];
  #steps: Tensor | undefined;

  /**
   * @param parameters tensors, or groups of them; each tensor and name must be unique
   * @param moments names of the tensors stored per parameter, initialised with zeros
   */
  protected constructor(
    parameters: Parameters | readonly ParameterGroup<Settings>[],
    settings: Settings,
    moments: readonly string[],
  ) {
    const optimizer = new.target.name;
    const groups = groupsOf(optimizer, parameters);
    expectUnique(optimizer, groups);
    this.#moments = moments;
    this.#groups = groups.map(({ name: group, parameters: named, settings: overrides }) => ({
      name: group,
      settings: optionsOf(optimizer, overrides, settings) as Settings,
      slots: [...named].map(([name, parameter]) => {
        const zeros = (): Tensor => parameter.device.zeros(parameter.shape).keep();
        return { name, parameter, moments: moments.map(zeros), steps: 0 };
      }),
    }));
  }

  /** Updates parameters with equal settings and equal step number, counted from 1. */
  protected abstract update(updates: readonly ParameterUpdate[], settings: Settings, step: number): void;

  /** Learning rate of each group, multiplied by the current factor. */
  get learningRates(): Record<string, number> {
    return Object.fromEntries(
      this.#groups.map(({ name, settings }) => [name, settings.learningRate * this.learningRateFactor]),
    );
  }

  /** Updates every parameter that has a gradient. */
  step(): void {
    for (const { settings, slots } of this.#groups) {
      const byStep = new Map<number, ParameterUpdate[]>();
      for (const slot of slots) {
        expectTensor(this.constructor.name, slot.name, slot.parameter);
        const gradient = slot.parameter.grad;
        if (!gradient) continue;
        slot.steps++;
        const sameStep = byStep.get(slot.steps) ?? [];
        sameStep.push({ parameter: slot.parameter, gradient, moments: slot.moments });
        byStep.set(slot.steps, sameStep);
      }
      const learningRate = settings.learningRate * this.learningRateFactor;
      for (const [step, sameStep] of byStep) this.update(sameStep, { ...settings, learningRate }, step);
    }
  }

  /** Frees the gradients; otherwise the next `backward()` adds to them. */
  zeroGrad(): void {
    for (const { parameter } of this.#slots()) {
      parameter.grad?.dispose();
      parameter.grad = undefined;
    }
  }

  #slots(): Slot[] {
    return this.#groups.flatMap(({ slots }) => slots);
  }

  /**
   * The state for a checkpoint, by name: `<moment>.<parameter>`, and `steps` (int32, one number per parameter). The
   * optimizer owns the tensors.
   */
  stateTensors(): Record<string, Tensor> {
    const slots = this.#slots();
    const steps = Int32Array.from(slots, (slot) => slot.steps);
    this.#steps = this.#steps?.write(steps) ?? slots[0]!.parameter.device.tensor(steps).keep();
    const named = slots.flatMap(({ name, moments }) =>
      moments.map((moment, index) => [`${this.#moments[index]}.${name}`, moment] as const),
    );
    return { ...Object.fromEntries(named), steps: this.#steps };
  }

  /**
   * Loads the values of `stateTensors()`.
   *
   * @throws SpinegradError ERR_OPTIMIZER_STATE if names, types or lengths differ, ERR_NOT_FINITE if a value is NaN or
   *   infinite; then nothing is loaded
   */
  loadState(state: Readonly<Record<string, TypedArray>>): void {
    const slots = this.#slots();
    const expected = this.stateTensors();
    for (const [name, tensor] of Object.entries(expected)) {
      const values = state?.[name];
      const dtype = tensor.dtype === 'int32' ? Int32Array : Float32Array;
      if (!(values instanceof dtype) || values.length !== tensor.size) {
        throw new SpinegradError(
          'ERR_OPTIMIZER_STATE',
          `loadState(): ${name}: expected ${tensor.size} ${tensor.dtype} values, found ` +
            `${values ? `${values.length} in ${values.constructor.name}` : 'none'}; check that the checkpoint belongs to this model`,
        );
      }
      expectFinite(
        values,
        `loadState(): ${name}`,
        'the state is damaged or comes from a training that diverged',
      );
    }
    for (const [name, tensor] of Object.entries(expected)) tensor.write(state[name]!);
    slots.forEach((slot, index) => {
      slot.steps = state.steps![index]!;
    });
  }

  /** Frees the moments, but not the parameters and their gradients. */
  dispose(): void {
    for (const { moments } of this.#slots()) for (const moment of moments) moment.dispose();
    this.#steps?.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

/** Throws ERR_PARAMETER unless there is at least one parameter, and each tensor and name is unique. */
function expectUnique(
  optimizer: string,
  groups: readonly { name: string; parameters: ReadonlyMap<string, Tensor> }[],
): void {
  const fail = (message: string): never => {
    throw new SpinegradError('ERR_PARAMETER', `${optimizer}(): ${message}`);
  };
  const names = new Set<string>();
  const tensors = new Set<Tensor>();
  for (const { name: group, parameters } of groups) {
    for (const [name, parameter] of parameters) {
      if (names.has(name) || tensors.has(parameter)) {
        fail(`group ${group}: parameter ${name} was found twice; expected each once`);
      }
      names.add(name);
      tensors.add(parameter);
    }
  }
  if (tensors.size === 0) fail('expected at least one parameter, found none');
}
