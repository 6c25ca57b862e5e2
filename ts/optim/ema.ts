import { noGrad } from '../engine/autograd.js';
import { expectNumber, found } from '../engine/check.js';
import { copy } from '../engine/ops/copy.js';
import { ema } from '../engine/ops/ema.js';
import type { Tensor } from '../engine/tensor.js';
import { SpinegradError } from '../error.js';

/**
 * Exponential moving average of weights (Polyak and Juditsky 1992), initialised with a copy. Call `update()` after each
 * step of the optimizer: average = decay * average + (1 - decay) * weight. Include the running statistics of batch
 * norm, because they must match the averaged weights.
 */
export class Ema implements Disposable {
  /** The averages, by the name of the source. */
  readonly tensors: ReadonlyMap<string, Tensor>;
  readonly #pairs: { source: Tensor; target: Tensor }[];

  constructor(
    sources: ReadonlyMap<string, Tensor>,
    readonly decay: number,
  ) {
    expectNumber('Ema', 'decay', decay, { min: 0, max: 1 });
    if (!(sources instanceof Map)) {
      throw new SpinegradError(
        'ERR_PARAMETER',
        `Ema(): sources: expected a Map of tensors, found ${found(sources)}`,
      );
    }
    this.tensors = noGrad(() => new Map([...sources].map(([name, source]) => [name, copy(source).keep()])));
    this.#pairs = [...sources].map(([name, source]) => ({ source, target: this.tensors.get(name)! }));
  }

  update(): void {
    ema(this.#pairs, this.decay);
  }

  dispose(): void {
    for (const tensor of this.tensors.values()) tensor.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}
