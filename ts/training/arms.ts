/**
 * The arms: graders that differ in the first weights of the encoder, its learning rates and the number of steps, and in
 * nothing else. The setting `arms` chooses them; all other code receives them as data.
 */

/** Rates of the encoder relative to the head's rate. */
export interface EncoderRates {
  /** Factor of the encoder's last stage. */
  encoder: number;
  /** Further factor of each earlier stage. */
  layerDecay: number;
}

/** Where the first weights of an encoder come from. */
export type EncoderSource = 'random' | 'pretrained' | 'imported';

export interface Arm {
  name: string;
  /** For the report. */
  description: string;
  encoder: EncoderSource;
  /** Default of `finetuning.rates.<name>`; null: the encoder is not trained. */
  rates: EncoderRates | null;
  /** Whether fine-tuning is extended by the optimizer steps of pretraining. */
  long?: true;
}

const REGISTRY = [
  {
    name: 'scratch',
    description: 'random encoder, trained at the full rate',
    encoder: 'random',
    rates: { encoder: 1, layerDecay: 1 },
  },
  {
    name: 'scratch-long',
    description: 'random encoder, trained for the steps of pretraining and fine-tuning together',
    encoder: 'random',
    rates: { encoder: 1, layerDecay: 1 },
    long: true,
  },
  {
    name: 'imported',
    description: 'encoder from a file, trained at lower rates towards the input',
    encoder: 'imported',
    rates: { encoder: 1, layerDecay: 0.7 },
  },
  {
    name: 'random',
    description: 'random encoder, not trained; only its batch-norm statistics are those of the data',
    encoder: 'random',
    rates: null,
  },
  {
    name: 'frozen',
    description: 'pretrained encoder, not trained further',
    encoder: 'pretrained',
    rates: null,
  },
  {
    name: 'contrastive',
    description: 'pretrained encoder, trained at lower rates towards the input',
    encoder: 'pretrained',
    rates: { encoder: 1, layerDecay: 0.7 },
  },
] as const satisfies readonly Arm[];

/** All arms that a run can train. */
export const ARMS: readonly Arm[] = REGISTRY;

export type ArmName = (typeof REGISTRY)[number]['name'];

/** The arms whose encoder is trained. */
export type TunedArmName = Extract<(typeof REGISTRY)[number], { rates: EncoderRates }>['name'];

export const ARM_NAMES: readonly ArmName[] = REGISTRY.map(({ name }) => name);

export const DEFAULT_ARMS: readonly ArmName[] = ['scratch', 'frozen', 'contrastive'];

/**
 * The arms of a run, in the order of training and of the report. The first arm is the reference of the comparisons; the last
 * arm gives the headline numbers and the examples of the report.
 */
export const armsOf = ({ arms }: { arms: readonly ArmName[] }): Arm[] =>
  arms.map((name) => ARMS.find((arm) => arm.name === name)!);
