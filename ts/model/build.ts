/** The architecture of a trained network: all that is needed to build it before its weights are loaded. */
import { z } from 'zod';
import type { Build } from '../nn/layers.js';
import { ResNet } from '../nn/resnet.js';
import { Grader } from './grader.js';
import { HEAD_NAMES } from './heads/names.js';
import { HEAD_KINDS, LocalizationHead, Localizer } from './localizer.js';

const encoderSchema = z.object({
  depth: z.literal([18, 34, 50]),
  inputChannels: z.number().int().positive(),
  width: z.number().int().positive(),
  strides: z.array(z.number().int().positive()).min(1).max(4),
});

export const graderSchema = z.object({
  encoder: encoderSchema,
  head: z.enum(HEAD_NAMES),
  /** Number of grades. */
  grades: z.number().int().min(2),
});
export type GraderArchitecture = z.output<typeof graderSchema>;

export const localizerSchema = z.object({
  encoder: encoderSchema,
  head: z.enum(HEAD_KINDS),
  /** Side of the slices in pixels. */
  sliceSize: z.number().int().positive(),
});
export type LocalizerArchitecture = z.output<typeof localizerSchema>;

const encoderOf = ({ strides, ...encoder }: ResNet['architecture']) => ({
  ...encoder,
  strides: [...strides],
});

export const graderArchitecture = ({ encoder, architecture }: Grader): GraderArchitecture => ({
  encoder: encoderOf(encoder.architecture),
  ...architecture,
});

export const localizerArchitecture = ({ encoder, head }: Localizer): LocalizerArchitecture => ({
  encoder: encoderOf(encoder.architecture),
  head: head.kind,
  sliceSize: head.sliceSize,
});

export const buildGrader = ({ encoder, ...options }: GraderArchitecture, build: Build): Grader =>
  new Grader(build, new ResNet(build, encoder), options);

export function buildLocalizer({ encoder, head, sliceSize }: LocalizerArchitecture, build: Build): Localizer {
  const network = new ResNet(build, encoder);
  return new Localizer(network, new LocalizationHead(build, network, sliceSize, head));
}
