/**
 * The arms of a run: graders that differ in the encoder and its learning rates, and in nothing else. All other code
 * receives the arms as data.
 */

/** Rates of the encoder relative to the head's rate. */
export interface EncoderRates {
  /** Factor of the encoder's last stage. */
  encoder: number;
  /** Further factor of each earlier stage. */
  layerDecay: number;
}

export interface Arm {
  name: string;
  /** For the report. */
  description: string;
  /** First weights of the encoder. */
  encoder: 'random' | 'pretrained';
  /** Default of `finetuning.rates.<name>`; null: the encoder is not trained. */
  rates: EncoderRates | null;
}

/**
 * In the order of training and of the report. The first arm is the reference of the comparisons; the last arm gives the
 * headline numbers and the examples of the report.
 */
export const ARMS = [
  {
    name: 'scratch',
    description: 'random encoder, trained at the full rate',
    encoder: 'random',
    rates: { encoder: 1, layerDecay: 1 },
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

/** The arms whose encoder is trained. */
export type TunedArmName = Extract<(typeof ARMS)[number], { rates: EncoderRates }>['name'];
