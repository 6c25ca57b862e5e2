/**
 * Keys for contrastive pretraining (MoCo: He et al., "Momentum contrast for unsupervised visual representation learning",
 * CVPR 2020): an encoder and a projection whose weights follow those that are trained, and a queue of their embeddings of
 * earlier batches.
 */
import { noGrad } from '../engine/autograd.js';
import { concat } from '../engine/ops/concat.js';
import { ema } from '../engine/ops/ema.js';
import { gather } from '../engine/ops/gather.js';
import type { Tensor } from '../engine/tensor.js';
import { type DiscEncoder, encode } from '../model/fusion/encoder.js';
import type { EncoderInput } from '../model/fusion/input.js';
import type { ProjectionHead } from '../model/projection.js';
import type { Build } from '../nn/layers.js';
import { Module } from '../nn/module.js';

/** Disc of a key that no batch has written yet. */
const NONE = -1;

export class KeyQueue extends Module {
  /** Disc ids of the keys, NONE if none; the same numbers are in the buffer `discs`. */
  #ids: Float32Array;
  readonly #keys: Tensor;
  readonly #discs: Tensor;

  /**
   * @param encoder with the first weights of the one that is trained; the queue owns it
   * @param size number of keys, first random unit vectors
   */
  constructor(
    { device, random }: Build,
    private readonly encoder: DiscEncoder,
    private readonly projection: ProjectionHead,
    { size, length }: { size: number; length: number },
  ) {
    super();
    this.child('encoder', encoder);
    this.child('projection', projection);
    const values = new Float32Array(size * length).map(() => random.normal());
    for (let first = 0; first < values.length; first += length) {
      const row = values.subarray(first, first + length);
      const norm = Math.hypot(...row);
      for (let k = 0; k < length; k++) row[k]! /= norm;
    }
    this.#ids = new Float32Array(size).fill(NONE);
    this.#keys = this.buffer('keys', device.tensor(values, [size, length]));
    this.#discs = this.buffer('discs', device.tensor(this.#ids));
  }

  /** The keys [size, length]. */
  get keys(): Tensor {
    return this.#keys;
  }

  /** The disc of each key; undefined if no batch has written it yet. */
  get ids(): (number | undefined)[] {
    return Array.from(this.#ids, (id) => (id === NONE ? undefined : id));
  }

  /** Moves the weights towards those that are trained: own = momentum own + (1 - momentum) trained. */
  follow(encoder: DiscEncoder, projection: ProjectionHead, momentum: number): void {
    const pairs = [
      [encoder, this.encoder],
      [projection, this.projection],
    ].flatMap(([source, own]) => {
      const targets = own!.parameters();
      return [...source!.parameters()].map(([name, tensor]) => ({
        source: tensor,
        target: targets.get(name)!,
      }));
    });
    ema(pairs, momentum);
  }

  /** Unit embeddings without gradient. */
  embed(views: EncoderInput): Tensor {
    return noGrad(() => this.projection.forward(encode(this.encoder, views)));
  }

  /** Puts keys at the front of the queue; the last ones leave it. */
  push(keys: Tensor, ids: readonly number[]): void {
    const { device } = keys;
    const size = this.#ids.length;
    const first = device.tensor(Int32Array.from({ length: size }, (_, i) => i));
    const next = noGrad(() => gather(concat([keys, this.#keys], 0), first));
    ema([{ source: next, target: this.#keys }], 0);
    this.#ids = Float32Array.from([...ids, ...this.#ids].slice(0, size));
    this.#discs.write(this.#ids);
  }

  override load(...[tensors, source, options]: Parameters<Module['load']>): this {
    super.load(tensors, source, options);
    this.#ids = Float32Array.from(tensors.get('discs')!.data as Float32Array);
    return this;
  }
}
