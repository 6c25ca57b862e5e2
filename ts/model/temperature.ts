/** The temperature of a contrastive loss as a learned parameter: log(1 / temperature), as CLIP has it. */
import type { Tensor } from '../engine/tensor.js';
import type { Build } from '../nn/layers.js';
import { Module } from '../nn/module.js';

/** A learned temperature; `first` is its value at the start, above 0 (without unit: it divides cosines). */
export class Temperature extends Module {
  /** [1]; what `infoNCE` takes as `logScale`. */
  readonly logScale: Tensor;

  constructor({ device }: Pick<Build, 'device'>, first: number) {
    super();
    this.logScale = this.parameter('log_scale', device.full([1], Math.log(1 / first)));
  }
}
