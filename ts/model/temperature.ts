import type { Tensor } from '../engine/tensor.js';
import type { Build } from '../nn/layers.js';
import { Module } from '../nn/module.js';

/** The learned temperature of a contrastive loss, stored as log(1 / temperature) (Radford et al., CLIP, 2021). */
export class Temperature extends Module {
  /** [1]; the argument `logScale` of `infoNCE`. */
  readonly logScale: Tensor;

  /** @param initial first temperature, above 0; it divides cosines and has no unit */
  constructor({ device }: Pick<Build, 'device'>, initial: number) {
    super();
    this.logScale = this.parameter('log_scale', device.full([1], Math.log(1 / initial)));
  }
}
