/** The arms of a run: graders that differ in their encoder and its learning rates, and in nothing else. */

/** Rates of the encoder relative to the head's rate. */
export interface EncoderRates {
  /** Factor of the encoder's last stage. */
  encoder: number;
  /** Further factor of each earlier stage. */
  layerDecay: number;
}

export interface Arm {
  name: string;
  /** First weights of the encoder. */
  encoder: 'random' | 'pretrained';
  /** Default rates; null: the encoder is not trained. */
  rates: EncoderRates | null;
}

/** In the order of training and of the report's columns. */
export const ARMS = [
  { name: 'scratch', encoder: 'random', rates: { encoder: 1, layerDecay: 1 } },
  { name: 'frozen', encoder: 'pretrained', rates: null },
  { name: 'contrastive', encoder: 'pretrained', rates: { encoder: 1, layerDecay: 0.7 } },
] as const satisfies readonly Arm[];

export type ArmName = (typeof ARMS)[number]['name'];

/** The arms whose encoder is trained. */
export type TunedArmName = Extract<(typeof ARMS)[number], { rates: EncoderRates }>['name'];
