/**
 * Modules: a tree of named tensors with PyTorch's names, so that state_dicts can be exchanged with PyTorch. Parameters
 * are trained (`requiresGrad`); buffers, such as running statistics, are only stored.
 */

import { expectArguments, optionsOf } from '../arguments.js';
import type { TypedArray } from '../engine/dtype.js';
import { expectFinite } from '../engine/finite.js';
import type { Tensor } from '../engine/tensor.js';
import { SpinegradError } from '../error.js';

/** Base class of layers and networks: named parameters, buffers and child modules. */
export abstract class Module {
  readonly #children = new Map<string, Module>();
  readonly #parameters = new Map<string, Tensor>();
  readonly #buffers = new Map<string, Tensor>();
  #training = true;

  protected child<T extends Module>(name: string, module: T): T {
    this.#children.set(name, module);
    return module;
  }

  protected parameter(name: string, tensor: Tensor): Tensor {
    tensor.requiresGrad = true;
    this.#parameters.set(name, tensor.keep());
    return tensor;
  }

  protected buffer(name: string, tensor: Tensor): Tensor {
    this.#buffers.set(name, tensor.keep());
    return tensor;
  }

  /** Whether batch norm uses batch statistics and dropout is active. */
  get training(): boolean {
    return this.#training;
  }

  train(on = true): this {
    expectArguments('train', arguments.length, 1);
    this.#training = on;
    for (const child of this.#children.values()) child.train(on);
    return this;
  }

  eval(): this {
    return this.train(false);
  }

  /** Yields this module and all its descendants. */
  *modules(): Generator<Module> {
    yield this;
    for (const child of this.#children.values()) yield* child.modules();
  }

  /** Frees this module's own tensors and removes them from the state. */
  protected release(): void {
    for (const tensors of [this.#parameters, this.#buffers]) {
      for (const tensor of tensors.values()) tensor.dispose();
      tensors.clear();
    }
  }

  /** Parameters of this module and its descendants, by dotted name. */
  parameters(): Map<string, Tensor> {
    return this.#collect((module) => [module.#parameters]);
  }

  /** Parameters and buffers of this module and its descendants, by dotted name, as in a state_dict. */
  state(): Map<string, Tensor> {
    return this.#collect((module) => [module.#parameters, module.#buffers]);
  }

  #collect(mapsOf: (module: Module) => Map<string, Tensor>[]): Map<string, Tensor> {
    const found = new Map(mapsOf(this).flatMap((map) => [...map]));
    for (const [name, child] of this.#children) {
      for (const [key, tensor] of child.#collect(mapsOf)) found.set(`${name}.${key}`, tensor);
    }
    return found;
  }

  /**
   * Loads the values of a state_dict. It must contain every tensor of this module in the same shape, and no other
   * names except PyTorch's `num_batches_tracked` and those that match `ignore`.
   *
   * @param source origin of the values, for messages
   * @throws SpinegradError ERR_WEIGHTS if names, shapes or types differ, ERR_NOT_FINITE if a value is NaN or infinite;
   *   then nothing is loaded
   */
  load(
    tensors: ReadonlyMap<string, { shape: readonly number[]; data: TypedArray | Float64Array }>,
    source: string,
    options?: { ignore?: RegExp },
  ): this {
    expectArguments('load', arguments.length, 3);
    const { ignore } = optionsOf('load', options, { ignore: undefined });
    const fail = (found: string, expected: string) => {
      throw new SpinegradError('ERR_WEIGHTS', `${source}: found ${found}, expected ${expected}`);
    };
    const state = this.state();
    for (const name of tensors.keys()) {
      if (!state.has(name) && !name.endsWith('num_batches_tracked') && !ignore?.test(name)) {
        fail(`the tensor '${name}'`, 'only names of this network; check that the weights belong to it');
      }
    }
    for (const [name, tensor] of state) {
      const stored = tensors.get(name);
      if (!stored)
        return fail(
          `no tensor '${name}'`,
          `one of shape [${tensor.shape}]; check that the weights belong to this network`,
        );
      if (`${stored.shape}` !== `${tensor.shape}` || !(stored.data instanceof Float32Array)) {
        fail(
          `'${name}' as ${stored.data.constructor.name} of shape [${stored.shape}]`,
          `a Float32Array of shape [${tensor.shape}]`,
        );
      }
      expectFinite(
        stored.data as Float32Array,
        `${source}: '${name}'`,
        'the weights are damaged or come from a training that diverged',
      );
    }
    for (const [name, tensor] of state) tensor.write(tensors.get(name)!.data as Float32Array);
    return this;
  }

  dispose(): void {
    for (const tensor of this.state().values()) tensor.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}
