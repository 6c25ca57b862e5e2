/**
 * A module: named tensors and modules within modules, with PyTorch's names, so that state_dicts travel both ways.
 * Parameters are learned (`requiresGrad`); buffers, such as running statistics, are only carried along.
 */

import { expectFinite } from '../engine/finite.js';
import type { Tensor, TypedArray } from '../engine/tensor.js';
import { SpinegradError } from '../error.js';

/** The base of all networks: parameters, buffers and modules within, by their dotted names. */
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

  /** Whether batch statistics and dropout are on. */
  get training(): boolean {
    return this.#training;
  }

  train(on = true): this {
    this.#training = on;
    for (const child of this.#children.values()) child.train(on);
    return this;
  }

  eval(): this {
    return this.train(false);
  }

  /** This module and all below it. */
  *modules(): Generator<Module> {
    yield this;
    for (const child of this.#children.values()) yield* child.modules();
  }

  /** Frees this module's own tensors and forgets their names. */
  protected release(): void {
    for (const tensors of [this.#parameters, this.#buffers]) {
      for (const tensor of tensors.values()) tensor.dispose();
      tensors.clear();
    }
  }

  /** All parameters below this module by their dotted names. */
  parameters(): Map<string, Tensor> {
    return this.#collect((module) => [module.#parameters]);
  }

  /** Parameters and buffers by their dotted names: what a state_dict holds. */
  state(): Map<string, Tensor> {
    return this.#collect((module) => [module.#parameters, module.#buffers]);
  }

  #collect(own: (module: Module) => Map<string, Tensor>[]): Map<string, Tensor> {
    const found = new Map(own(this).flatMap((map) => [...map]));
    for (const [name, child] of this.#children) {
      for (const [key, tensor] of child.#collect(own)) found.set(`${name}.${key}`, tensor);
    }
    return found;
  }

  /**
   * Takes over the values of a state_dict. Every tensor of this module must be there in its shape; PyTorch's
   * `num_batches_tracked` and names that `ignore` matches may be there too, other names may not.
   *
   * @param source where the values come from, for messages
   * @throws SpinegradError ERR_WEIGHTS; ERR_NOT_FINITE if a value is NaN or infinite. Nothing is loaded then.
   */
  load(
    tensors: ReadonlyMap<string, { shape: readonly number[]; data: TypedArray | Float64Array }>,
    source: string,
    { ignore }: { ignore?: RegExp } = {},
  ): this {
    const fail = (found: string, expected: string) => {
      throw new SpinegradError('ERR_WEIGHTS', `${source}: found ${found}, expected ${expected}`);
    };
    const state = this.state();
    for (const name of tensors.keys()) {
      if (!state.has(name) && !name.endsWith('num_batches_tracked') && !ignore?.test(name)) {
        fail(`the tensor '${name}'`, 'only names that this network has; is it another network?');
      }
    }
    for (const [name, tensor] of state) {
      const stored = tensors.get(name);
      if (!stored)
        return fail(`no tensor '${name}'`, `one of shape [${tensor.shape}]; is it another network?`);
      if (`${stored.shape}` !== `${tensor.shape}` || !(stored.data instanceof Float32Array)) {
        fail(
          `'${name}' as ${stored.data.constructor.name} of shape [${stored.shape}]`,
          `a Float32Array of shape [${tensor.shape}]`,
        );
      }
      expectFinite(
        stored.data as Float32Array,
        `${source}: '${name}'`,
        'the weights are damaged or of a training that diverged',
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
