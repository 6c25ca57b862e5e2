/** The settings of fine-tuning an arm: those of all arms, its own learning rate and epochs, and the length of a long arm. */
import type { Arm, ArmName } from './arms.js';
import type { Config } from './config.js';
import type { RoiDataset } from './roiDataset.js';
import { stepsPerEpoch } from './steps.js';

export interface ArmSettings {
  settings: Config['finetuning'];
  /** Optimizer steps of the arm, and of pretraining before it. */
  steps: { finetuning: number; pretraining: number };
}

/** Numbers of discs of the training patients. */
export interface TrainingDiscs {
  all: number;
  /** With a grade of at least one task. */
  graded: number;
}

export const countTraining = (discs: Pick<RoiDataset, 'of' | 'graded'>): TrainingDiscs => ({
  all: discs.of('train').length,
  graded: discs.graded('train').length,
});

/**
 * The settings of an arm. A small training set gets as many epochs as hold `finetuning.minSteps`. A long arm without epochs of its own gets as many more epochs as hold the optimizer steps of
 * pretraining, rounded up, so it never has fewer steps than pretraining and fine-tuning together.
 */
export function armSettings(
  { pretraining, finetuning }: Pick<Config, 'pretraining' | 'finetuning'>,
  training: TrainingDiscs,
  arm: Arm,
): ArmSettings {
  const pretrainingSteps = pretraining.epochs * stepsPerEpoch(training.all, pretraining.discs);
  const perEpoch = stepsPerEpoch(training.graded, finetuning.batch);
  const own = finetuning.arms[arm.name as ArmName];
  const extra = arm.long ? Math.ceil(pretrainingSteps / perEpoch) : 0;
  const enough = Math.max(finetuning.epochs, Math.ceil(finetuning.minSteps / perEpoch));
  const epochs = own?.epochs ?? enough + extra;
  const learningRate = own?.learningRate ?? finetuning.learningRate;
  return {
    settings: { ...finetuning, epochs, learningRate },
    steps: {
      finetuning: epochs * perEpoch,
      pretraining: arm.encoder === 'pretrained' ? pretrainingSteps : 0,
    },
  };
}
