/** The calibration of an arm on the validation patients. */
import { z } from 'zod';
import type { Novelty } from './novelty.js';

export const taskCalibrationSchema = z.object({
  /** Id of the task. */
  task: z.string(),
  /** Temperature of the probabilities. */
  temperature: z.number().positive(),
  /** Minimum probability of each grade in a conformal set; 0: the grade is in every set, because it has too few discs. */
  minimums: z.array(z.number().min(0).max(1)).min(2),
  /** Calibration discs of each grade. */
  discs: z.array(z.number().int().min(0)).min(2),
});

export interface ArmCalibration {
  /** In the order of the tasks. */
  calibration: z.output<typeof taskCalibrationSchema>[];
  /** What the training crops look like, and the distance from them above which crops are unlike them. */
  novelty: { model: Novelty; limit: number };
}
