/**
 * Encoder of a set of crops of one disc: series and neighbouring slices. Each series has its own ResNet, because contrast
 * and plane of the series differ, and the statistics of batch norm with them. The embeddings are pooled by gated attention
 * (Ilse, Tomczak and Welling, "Attention-based Deep Multiple Instance Learning", ICML 2018), which accepts any number of
 * instances, in any order.
 */
import { attentionPool } from '../../engine/ops/attentionPool.js';
import { concat } from '../../engine/ops/concat.js';
import { add, mul, sigmoid } from '../../engine/ops/elementwise.js';
import { gather } from '../../engine/ops/gather.js';
import { Tensor } from '../../engine/tensor.js';
import { SpinegradError } from '../../error.js';
import { type Build, Linear } from '../../nn/layers.js';
import { Module } from '../../nn/module.js';
import { ResNet, type ResNetOptions } from '../../nn/resnet.js';
import type { EncoderInput, Instances } from './input.js';

/** Units of the hidden layer of the gate; 128 in the paper. */
const GATE = 128;

/** Scores of instances: w . (tanh(V h) * sigmoid(U h)). */
class Gate extends Module {
  readonly #v: Linear;
  readonly #u: Linear;
  readonly #w: Linear;

  constructor(build: Build, features: number) {
    super();
    this.#v = this.child('v', new Linear(build, features, GATE));
    this.#u = this.child('u', new Linear(build, features, GATE));
    this.#w = this.child('w', new Linear(build, GATE, 1));
  }

  /** [P, features] -> [P, 1] */
  forward(h: Tensor): Tensor {
    const gate = sigmoid(this.#u.forward(h));
    // tanh(x) = 2 sigmoid(2 x) - 1
    const twice = mul(mul(sigmoid(mul(this.#v.forward(h), 2)), gate), 2);
    return this.#w.forward(add(twice, mul(gate, -1)));
  }
}

export class AttentionEncoder extends Module {
  readonly features: number;
  readonly architecture: ResNet['architecture'] & { series: number };
  /** One per series. */
  readonly encoders: readonly ResNet[];
  readonly #gate: Gate;

  /** @param series number of kinds of series, each with its own ResNet of these options */
  constructor(build: Build, options: ResNetOptions, series: number) {
    super();
    this.encoders = Array.from({ length: series }, (_, index) =>
      this.child(`series${index}`, new ResNet(build, options)),
    );
    const { features, architecture } = this.encoders[0]!;
    this.#gate = this.child('gate', new Gate(build, features));
    this.features = features;
    this.architecture = { ...architecture, series };
  }

  /**
   * Crops of N discs -> embeddings [N, features].
   *
   * @throws SpinegradError ERR_ARGUMENT for a tensor, or for another number of series
   */
  forward(input: EncoderInput): Tensor {
    const instances = this.expectInstances(input);
    return this.embeddingOf(this.featureMaps(instances), instances);
  }

  /**
   * Per series the feature map of its crops; null without crops.
   *
   * @param stages number of stages of the ResNets to apply; default all
   */
  featureMaps({ crops }: Instances, stages?: number): (Tensor | null)[] {
    return this.encoders.map((encoder, series) => {
      const images = crops[series]!;
      return images && encoder.featureMap(images, stages);
    });
  }

  /** Per series `ResNet.stageMeans` of its crops; null without crops. */
  stageMeans({ crops }: Instances, stages: number): (Tensor[] | null)[] {
    return this.encoders.map((encoder, series) => {
      const images = crops[series]!;
      return images && encoder.stageMeans(images, stages);
    });
  }

  /** The embeddings [N, features] that follow from `featureMaps(input, stages)`. */
  embeddingOf(maps: readonly (Tensor | null)[], { rows, mask }: Instances, stages?: number): Tensor {
    const { device } = mask;
    const [discs] = mask.shape as [number];
    const embeddings: Tensor[] = [];
    const scores: Tensor[] = [];
    for (const [series, encoder] of this.encoders.entries()) {
      const map = maps[series]!;
      const h = map && encoder.embeddingOf(map, stages);
      const score = h && this.#gate.forward(h);
      for (const slot of rows[series]!) {
        embeddings.push(h === null ? device.zeros([discs, this.features]) : gather(h, slot));
        scores.push(score === null ? device.zeros([discs, 1]) : gather(score, slot));
      }
    }
    return attentionPool(concat(embeddings, 1), concat(scores, 1), mask);
  }

  /** @throws SpinegradError ERR_ARGUMENT for a tensor, or for another number of series */
  expectInstances(input: EncoderInput): Instances {
    if (!(input instanceof Tensor) && input.crops.length === this.encoders.length) return input;
    const found = input instanceof Tensor ? 'a tensor' : `${input.crops.length} series`;
    throw new SpinegradError(
      'ERR_ARGUMENT',
      `AttentionEncoder.forward(): expected crops of ${this.encoders.length} series, found ${found}`,
    );
  }
}
