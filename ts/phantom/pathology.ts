/**
 * The findings of a patient other than narrowing: slips, fractures, lesions of bone and endplates, epidural
 * lipomatosis, migrated disc fragments and scoliosis. They change what a slice shows, and with it what the reader
 * measures; the latent narrowing does not depend on them. Each finding has a random stream of its own.
 */

import { RandomStream } from '../random.js';
import { drawFractures, type Fracture } from './fractures.js';
import { drawFragment, type Fragment } from './fragment.js';
import { drawLesions, type Lesions } from './lesions.js';
import { drawSlips } from './slips.js';

/** Fractions of patients. */
export const LIPOMATOSIS_FRACTION = 0.1;
export const SCOLIOSIS_FRACTION = 0.12;

export interface Pathology {
  /** Posterior displacement of each vertebra relative to the next caudal one, mm; negative is anterior. */
  readonly slips: readonly number[];
  /** By index of the vertebra; null without a fracture. */
  readonly fractures: readonly (Fracture | null)[];
  readonly lesions: Lesions;
  /** Excess of epidural fat, 0 to 1. */
  readonly lipomatosis: number;
  readonly fragment: Fragment | null;
  /** Amplitude of the lateral curve of a scoliosis, mm; 0 without. */
  readonly scoliosis: number;
}

/** @param purpose of the stream; `occlusion` and `degeneration` make slips and endplate changes more probable */
export function drawPathology(
  seed: number,
  index: number,
  purpose: number,
  occlusion: readonly number[],
  degeneration: readonly number[],
): Pathology {
  const stream = (finding: number) => new RandomStream(seed, index, purpose, finding);
  const fat = stream(4);
  const curve = stream(6);
  return {
    slips: drawSlips(stream(1), occlusion),
    fractures: drawFractures(stream(2)),
    lesions: drawLesions(stream(3), degeneration),
    lipomatosis: fat.chance(LIPOMATOSIS_FRACTION) ? fat.uniform(0.4, 1) : 0,
    fragment: drawFragment(stream(5)),
    scoliosis: curve.chance(SCOLIOSIS_FRACTION) ? curve.uniform(3.5, 7) : 0,
  };
}
