/** The architecture of a trained network: all that is needed to build it before its weights are loaded. */
import { z } from 'zod';
import { imageSide } from '../data/limits.js';
import type { Build } from '../nn/layers.js';
import { ResNet } from '../nn/resnet.js';
import { UNet } from '../nn/unet.js';
import { AttentionEncoder } from './fusion/attentionEncoder.js';
import { Grader } from './grader.js';
import { HEAD_NAMES } from './heads/names.js';
import { HeatmapLocalizer, type Localizer, RegressionLocalizer } from './localizer.js';
import { networkWidth, stageStrides } from './networkLimits.js';

const channels = z.number().int().min(1).max(16);

const encoderSchema = z.object({
  depth: z.literal([18, 34, 50]),
  inputChannels: channels,
  width: networkWidth,
  strides: stageStrides,
});

type EncoderArchitecture = z.output<typeof encoderSchema>;

export const graderSchema = z.object({
  /** `series`: that many encoders, whose embeddings attention pools. */
  encoder: encoderSchema.extend({ series: z.number().int().min(1).max(16).optional() }),
  /** In the order of the tasks. */
  heads: z
    .array(
      z.object({ task: z.string(), head: z.enum(HEAD_NAMES), grades: z.number().int().min(2).max(1000) }),
    )
    .min(1)
    .max(100),
});
export type GraderArchitecture = z.output<typeof graderSchema>;

const unetSchema = z.object({
  outputs: channels,
  inputChannels: channels,
  width: networkWidth,
  levels: z.number().int().min(2).max(6),
  outputStride: z.literal([1, 2]),
});

/** `sliceSize` is the side of the slices in pixels, `pitchMm` the mean distance of lumbar points on them. */
export const localizerSchema = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('unet'),
    network: unetSchema,
    sliceSize: imageSide,
    pitchMm: z.number().min(5).max(200),
  }),
  z.object({
    kind: z.literal('regression'),
    network: encoderSchema,
    sliceSize: imageSide,
  }),
]);
export type LocalizerArchitecture = z.output<typeof localizerSchema>;

const encoderOf = <T extends ResNet['architecture']>({ strides, ...encoder }: T) => ({
  ...encoder,
  strides: [...strides],
});

export const graderArchitecture = ({ encoder, heads }: Grader): GraderArchitecture => ({
  encoder: encoderOf(encoder.architecture),
  heads: [...heads.of],
});

export function localizerArchitecture(localizer: Localizer): LocalizerArchitecture {
  const { sliceSize } = localizer;
  return localizer.kind === 'unet'
    ? { kind: 'unet', network: localizer.network.architecture, sliceSize, pitchMm: localizer.pitchMm }
    : { kind: 'regression', network: encoderOf(localizer.encoder.architecture), sliceSize };
}

/**
 * The number of weights of the largest convolution of a network, 3x3 between the channels of its last stage. A file with
 * fewer values is not that of the network.
 */
export function largestConvolution(network: EncoderArchitecture | UNet['architecture']): number {
  const stages = 'levels' in network ? network.levels : network.strides.length;
  return 9 * (network.width * 2 ** (stages - 1)) ** 2;
}

export function buildGrader({ encoder, ...options }: GraderArchitecture, build: Build): Grader {
  const { series, ...network } = encoder;
  const built =
    series === undefined ? new ResNet(build, network) : new AttentionEncoder(build, network, series);
  return new Grader(build, built, options);
}

export const buildLocalizer = (architecture: LocalizerArchitecture, build: Build): Localizer =>
  architecture.kind === 'unet'
    ? new HeatmapLocalizer(
        new UNet(build, architecture.network),
        architecture.sliceSize,
        architecture.pitchMm,
      )
    : new RegressionLocalizer(build, new ResNet(build, architecture.network), architecture.sliceSize);
