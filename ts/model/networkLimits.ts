/** Limits of networks and evaluation in settings and models. They load without the native addon. */
import { z } from 'zod';

/** Channels of the first stage of a network. */
export const networkWidth = z.number().int().min(1).max(1024);

/** Stride of each stage of a ResNet. */
export const stageStrides = z.array(z.number().int().min(1).max(2)).min(1).max(4);

/** Bootstrap resamples. */
export const resampleCount = z.number().int().min(1).max(100_000);

/** Names of the series of an input. */
export const seriesNames = z.array(z.string()).min(1).max(16);
