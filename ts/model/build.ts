/** The architecture of a trained network: all that is needed to build it before its weights are loaded. */
import { z } from 'zod';
import type { Build } from '../nn/layers.js';
import { ResNet } from '../nn/resnet.js';
import { UNet } from '../nn/unet.js';
import { AttentionEncoder } from './fusion/attentionEncoder.js';
import { Grader } from './grader.js';
import { HEAD_NAMES } from './heads/names.js';
import { HeatmapLocalizer, type Localizer, RegressionLocalizer } from './localizer.js';

const encoderSchema = z.object({
  depth: z.literal([18, 34, 50]),
  inputChannels: z.number().int().positive(),
  width: z.number().int().positive(),
  strides: z.array(z.number().int().positive()).min(1).max(4),
});

export const graderSchema = z.object({
  /** `series`: that many encoders, whose embeddings attention pools. */
  encoder: encoderSchema.extend({ series: z.number().int().positive().optional() }),
  /** In the order of the tasks. */
  heads: z
    .array(z.object({ task: z.string(), head: z.enum(HEAD_NAMES), grades: z.number().int().min(2) }))
    .min(1),
});
export type GraderArchitecture = z.output<typeof graderSchema>;

const unetSchema = z.object({
  outputs: z.number().int().positive(),
  inputChannels: z.number().int().positive(),
  width: z.number().int().positive(),
  levels: z.number().int().min(2).max(6),
  outputStride: z.literal([1, 2]),
});

/** `sliceSize` is the side of the slices in pixels, `pitchMm` the mean distance of lumbar points on them. */
export const localizerSchema = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('unet'),
    network: unetSchema,
    sliceSize: z.number().int().positive(),
    pitchMm: z.number().positive(),
  }),
  z.object({ kind: z.literal('regression'), network: encoderSchema, sliceSize: z.number().int().positive() }),
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
