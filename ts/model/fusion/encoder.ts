/** The encoder of a disc: one ResNet, or one per series with attention. */
import { Tensor } from '../../engine/tensor.js';
import { SpinegradError } from '../../error.js';
import type { Build } from '../../nn/layers.js';
import { ResNet, type ResNetOptions } from '../../nn/resnet.js';
import { AttentionEncoder } from './attentionEncoder.js';
import type { EncoderInput } from './input.js';
import { type FusionSpec, inputsOf } from './spec.js';

export type DiscEncoder = ResNet | AttentionEncoder;

/** A new encoder for inputs of `encoderInput`. */
export function newDiscEncoder(build: Build, options: ResNetOptions, spec: FusionSpec): DiscEncoder {
  const inputs = inputsOf(spec);
  return spec.fusion === 'attention'
    ? new AttentionEncoder(build, options, inputs)
    : new ResNet(build, { ...options, inputChannels: inputs });
}

/**
 * Embeddings [N, features] of N discs.
 *
 * @throws SpinegradError ERR_ARGUMENT if the input is not of the encoder's kind
 */
export function encode(encoder: DiscEncoder, input: EncoderInput): Tensor {
  if (encoder instanceof AttentionEncoder) return encoder.forward(input);
  if (input instanceof Tensor) return encoder.forward(input);
  throw new SpinegradError('ERR_ARGUMENT', 'encode(): expected images [N, C, S, S], found sets of crops');
}
