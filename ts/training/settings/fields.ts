/** The building blocks of the schema of settings. */
import { z } from 'zod';

export const positive = z.number().positive();
export const fraction = z.number().min(0).max(1);
export const positiveFraction = z.number().positive().max(1);
export const count = z.number().int().positive();
export const seed = z
  .number()
  .int()
  .min(0)
  .max(2 ** 31 - 1);

/** A setting with its default and its description, which states the reason. */
export const setting = <T extends z.ZodType>(schema: T, value: z.output<T>, description: string) =>
  (schema as unknown as z.ZodType<z.output<T>>).default(value as never).describe(description);

/** Settings of AdamW and its schedule, which every stage has. */
export const optimizer = (learningRate: number, weightDecay: number) => ({
  learningRate: setting(positive, learningRate, 'Peak learning rate of the optimizer.'),
  weightDecay: setting(
    z.number().min(0),
    weightDecay,
    'Decoupled weight decay; biases and norms do not decay.',
  ),
  warmupEpochs: setting(z.number().min(0), 1, 'Epochs of linear warm-up before the cosine schedule.'),
  floor: setting(fraction, 0.01, 'Learning rate at the end of the cosine, as a fraction of the peak.'),
  clipNorm: setting(positive, 5, 'Maximum global norm of the gradient.'),
});
