/**
 * What the optimizers share: named parameters in groups with rates of their own, the moments kept for each parameter,
 * and their way into and out of a checkpoint. A step reads nothing back from the device.
 */

import { expectTensor, found } from '../engine/check.js';
import { expectFinite } from '../engine/finite.js';
import type { Tensor, TypedArray } from '../engine/tensor.js';
import { SpinegradError } from '../error.js';

/** Parameters that share settings; what a group leaves out is taken from the optimizer's own options. */
export type ParameterGroup<Settings> = Partial<Settings> & {
  /** For messages and logs. */
  name: string;
  parameters: ReadonlyMap<string, Tensor>;
};

/** What a step changes for one parameter. */
export interface Change {
  parameter: Tensor;
  gradient: Tensor;
  /** In the order of the optimizer's `moments`. */
  moments: readonly Tensor[];
}

interface Slot {
  name: string;
  parameter: Tensor;
  moments: readonly Tensor[];
  /** Steps this parameter has taken: one without a gradient is left out of a step. */
  steps: number;
}

interface Group<Settings> {
  name: string;
  settings: Settings;
  slots: Slot[];
}

export abstract class Optimizer<Settings extends { learningRate: number }> implements Disposable {
  /** Multiplies the learning rates of all groups; a schedule sets it before each step. */
  learningRateFactor = 1;
  readonly #groups: Group<Settings>[];
  readonly #moments: readonly string[];
  #steps: Tensor | undefined;

  /**
   * @param parameters named tensors, or groups of them; no tensor and no name may come twice
   * @param moments names of the tensors kept for each parameter, which start as zeros
   */
  protected constructor(
    parameters: ReadonlyMap<string, Tensor> | readonly ParameterGroup<Settings>[],
    settings: Settings,
    moments: readonly string[],
  ) {
    const groups =
      parameters instanceof Map
        ? [{ name: 'all', parameters } as unknown as ParameterGroup<Settings>]
        : (parameters as readonly ParameterGroup<Settings>[]);
    expectGroups(groups);
    this.#moments = moments;
    this.#groups = groups.map(({ name: group, parameters: named, ...own }) => ({
      name: group,
      settings: { ...settings, ...definedOnly(own) },
      slots: [...named].map(([name, parameter]) => {
        const zeros = (): Tensor => parameter.device.zeros(parameter.shape).keep();
        return { name, parameter, moments: moments.map(zeros), steps: 0 };
      }),
    }));
  }

  /** Changes the parameters that share the settings and the number of this step, from 1. */
  protected abstract update(changes: readonly Change[], settings: Settings, step: number): void;

  /** Learning rate of each group at the present factor. */
  get learningRates(): Record<string, number> {
    return Object.fromEntries(
      this.#groups.map(({ name, settings }) => [name, settings.learningRate * this.learningRateFactor]),
    );
  }

  /** Changes every parameter that has a gradient. */
  step(): void {
    for (const { settings, slots } of this.#groups) {
      const byStep = new Map<number, Change[]>();
      for (const slot of slots) {
        expectTensor(this.constructor.name, slot.name, slot.parameter);
        const gradient = slot.parameter.grad;
        if (!gradient) continue;
        slot.steps++;
        const together = byStep.get(slot.steps) ?? [];
        together.push({ parameter: slot.parameter, gradient, moments: slot.moments });
        byStep.set(slot.steps, together);
      }
      const learningRate = settings.learningRate * this.learningRateFactor;
      for (const [step, together] of byStep) this.update(together, { ...settings, learningRate }, step);
    }
  }

  /** Frees the gradients, so that the next `backward()` starts anew. */
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
   * Everything that a resumed run needs, by name: `<moment>.<parameter>`, and `steps` (int32, one number a
   * parameter). The tensors stay the optimizer's.
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

  /** Takes over the values of `stateTensors()`, as a checkpoint holds them. Nothing changes when one does not fit or is not finite. */
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
            `${values ? `${values.length} in ${values.constructor.name}` : 'none'}; the checkpoint is of another model`,
        );
      }
      expectFinite(values, `loadState(): ${name}`, 'the state is damaged or of a training that diverged');
    }
    for (const [name, tensor] of Object.entries(expected)) tensor.write(state[name]!);
    slots.forEach((slot, index) => {
      slot.steps = state.steps![index]!;
    });
  }

  /** Frees the moments; the parameters and their gradients stay. */
  dispose(): void {
    for (const { moments } of this.#slots()) for (const moment of moments) moment.dispose();
    this.#steps?.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

/** Named tensors in groups, no tensor and no name twice, and at least one. */
function expectGroups(groups: readonly ParameterGroup<object>[]): void {
  const fail = (message: string): never => {
    throw new SpinegradError('ERR_PARAMETER', `Optimizer: ${message}`);
  };
  if (!Array.isArray(groups)) fail(`expected a Map of tensors or an array of groups, found ${found(groups)}`);
  const names = new Set<string>();
  const tensors = new Set<Tensor>();
  for (const { name: group, parameters } of groups.map((one) => one ?? {})) {
    if (!(parameters instanceof Map)) {
      fail(`group ${group}: parameters: expected a Map of tensors, found ${found(parameters)}`);
    }
    for (const [name, parameter] of parameters) {
      expectTensor('Optimizer', name, parameter);
      if (names.has(name) || tensors.has(parameter)) {
        fail(`group ${group}: parameter ${name} was found in another group too; expected each once`);
      }
      names.add(name);
      tensors.add(parameter);
    }
  }
  if (tensors.size === 0) fail('expected at least one parameter, found none');
}

const definedOnly = <T extends object>(options: T): Partial<T> =>
  Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as Partial<T>;
