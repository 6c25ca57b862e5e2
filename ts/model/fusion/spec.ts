/** How the series of a disc become one embedding. */
import { z } from 'zod';
import { seriesNames } from '../networkLimits.js';
import { normalisationSchema } from '../normalisation.js';

export const FUSION_NAMES = ['none', 'channels', 'attention'] as const;
export type FusionName = (typeof FUSION_NAMES)[number];

const fusionSpecSchema = z.object({
  fusion: z.enum(FUSION_NAMES),
  /** Names of the series, in the order of the slots of a disc. Without fusion, the one slot may show any of them. */
  series: seriesNames,
  /** Slots per series: with `attention` the annotated slice and its neighbours, else 1. */
  slices: z.number().int().min(1).max(33),
});

/** The input of a grader. A disc has a slot per series and slice; without fusion it has one slot. */
export type FusionSpec = z.output<typeof fusionSpecSchema>;

/** @param neighbours slices on each side of the annotated one that are in the bank */
export const fusionSpec = (
  fusion: FusionName,
  series: readonly string[],
  neighbours: number,
): FusionSpec => ({ fusion, series: [...series], slices: fusion === 'attention' ? 2 * neighbours + 1 : 1 });

/** Number of networks or channels: one per series, or one for all without fusion. */
export const inputsOf = ({ fusion, series }: FusionSpec): number => (fusion === 'none' ? 1 : series.length);

/** The input of a trained grader. */
export const graderInputSchema = z.object({
  spec: fusionSpecSchema,
  /** Per series; without fusion, one for all. */
  normalisation: z.array(normalisationSchema).min(1),
});
export type GraderInput = z.output<typeof graderInputSchema>;
