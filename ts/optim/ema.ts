import { expectArguments, found } from '../arguments.js';
import { noGrad } from '../engine/autograd.js';
import { expectNumber } from '../engine/check.js';
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
    expectArguments('Ema', arguments.length, 2);
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

  /**
   * Moves the averages towards the weights.
   *
   * @param step number of earlier updates. If it is given, the decay is at most (1 + step) / (10 + step), so that the first
   *   weights are forgotten soon.
   */
  update(step?: number): void {
    const bound = step === undefined ? 1 : (1 + step) / (10 + step);
    ema(this.#pairs, Math.min(this.decay, bound));
  }

  dispose(): void {
    for (const tensor of this.tensors.values()) tensor.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}
