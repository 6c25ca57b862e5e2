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
export const encode = (encoder: DiscEncoder, input: EncoderInput): Tensor =>
  embeddingOf(encoder, featureMaps(encoder, input), input);

/**
 * The feature maps of a stage: one of the images [N, C, S, S], or with attention per series that of its crops, null without
 * crops.
 *
 * @param stages number of stages to apply; default all
 * @throws SpinegradError ERR_ARGUMENT if the input is not of the encoder's kind
 */
export function featureMaps(encoder: DiscEncoder, input: EncoderInput, stages?: number): (Tensor | null)[] {
  if (encoder instanceof AttentionEncoder) {
    return encoder.featureMaps(encoder.expectInstances(input), stages);
  }
  return [encoder.featureMap(expectImages(input), stages)];
}

function expectImages(input: EncoderInput): Tensor {
  if (input instanceof Tensor) return input;
  throw new SpinegradError('ERR_ARGUMENT', 'encode(): expected images [N, C, S, S], found sets of crops');
}

/**
 * The channel means of the first stages, `ResNet.stageMeans`: of the images, or with attention per series of its crops.
 *
 * @throws SpinegradError ERR_ARGUMENT if the input is not of the encoder's kind
 */
export function stageMeans(encoder: DiscEncoder, input: EncoderInput, stages: number): (Tensor[] | null)[] {
  if (encoder instanceof AttentionEncoder) {
    return encoder.stageMeans(encoder.expectInstances(input), stages);
  }
  return [encoder.stageMeans(expectImages(input), stages)];
}

/** The embeddings [N, features] that follow from `featureMaps(encoder, input, stages)`. */
export const embeddingOf = (
  encoder: DiscEncoder,
  maps: readonly (Tensor | null)[],
  input: EncoderInput,
  stages?: number,
): Tensor =>
  encoder instanceof AttentionEncoder
    ? encoder.embeddingOf(maps, encoder.expectInstances(input), stages)
    : encoder.embeddingOf(maps[0]!, stages);
