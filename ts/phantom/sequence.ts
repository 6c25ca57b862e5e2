/**
 * The pulse sequence of a sagittal T2 series, and the signal of a tissue in a sequence: a spin echo, a short-tau
 * inversion recovery (STIR) that nulls fat, or the water image of a Dixon sequence.
 */

import type { RandomStream } from '../random.js';
import { type Signals, TISSUES, type Tissue, type TissueName } from './tissue.js';
import { weighted } from './weighted.js';

export const SUPPRESSIONS = ['none', 'stir', 'dixon'] as const;
export type Suppression = (typeof SUPPRESSIONS)[number];

export interface Sequence {
  /** TR, ms. */
  readonly repetitionTime: number;
  /** TE, ms. */
  readonly echoTime: number;
  /** Suppression of the signal of fat. */
  readonly suppression: Suppression;
  /** Tesla. */
  readonly fieldStrength: number;
}

/** Fractions of the sagittal T2 series with STIR and with Dixon water images. */
export const STIR_FRACTION = 0.14;
export const DIXON_FRACTION = 0.08;

/** Field strengths in tesla, and their fractions. */
export const FIELD_STRENGTHS = [
  [0.3, 0.12],
  [1.5, 0.58],
  [3, 0.3],
] as const;

/** Fraction of the fat signal in a Dixon water image, from imperfect separation. */
const DIXON_LEAK = 0.07;

/** Fraction of fat in the signal of vertebral marrow. */
const MARROW_FAT = 0.5;

export function drawSequence(random: RandomStream): Sequence {
  const fieldStrength = weighted<number>(random, FIELD_STRENGTHS);
  const kind = random.uniform();
  // Dixon needs a large frequency difference between fat and water.
  const [[, lowField]] = FIELD_STRENGTHS;
  const dixon = fieldStrength > 1 && kind > 1 - DIXON_FRACTION / (1 - lowField);
  const suppression = kind < STIR_FRACTION ? 'stir' : dixon ? 'dixon' : 'none';
  const repetitionTime = Math.round(Math.min(8000, 2400 + 1300 * -Math.log(random.uniform())));
  const echoTime = Math.round(suppression === 'stir' ? random.uniform(45, 85) : random.uniform(75, 130));
  return { repetitionTime, echoTime, suppression, fieldStrength };
}

/** TI in ms that nulls fat in a STIR sequence, null in other sequences. */
export function inversionTime({ suppression, repetitionTime, fieldStrength }: Sequence): number | null {
  if (suppression !== 'stir') return null;
  const t1 = t1At(TISSUES.fat, fieldStrength);
  return t1 * (Math.LN2 - Math.log1p(Math.exp(-repetitionTime / t1)));
}

/**
 * Signal of a tissue in per cent of water: PD E exp(-TE/T2), with E = 1 - exp(-TR/T1) in a spin echo and
 * |1 - 2 exp(-TI/T1) + exp(-TR/T1)| after an inversion.
 */
export function signalOf(tissue: Tissue, sequence: Sequence): number {
  const { repetitionTime, echoTime, fieldStrength } = sequence;
  const t1 = t1At(tissue, fieldStrength);
  const inversion = inversionTime(sequence);
  const recovered = 1 - Math.exp(-repetitionTime / t1);
  const longitudinal =
    inversion === null
      ? recovered
      : Math.abs(1 - 2 * Math.exp(-inversion / t1) + Math.exp(-repetitionTime / t1));
  return tissue.protonDensity * longitudinal * Math.exp(-echoTime / tissue.t2);
}

/** Signals of all tissues in a sequence. */
export function tissueSignals(sequence: Sequence): Signals {
  const water: Partial<Record<TissueName, number>> = { fat: DIXON_LEAK, marrow: 1 - MARROW_FAT };
  const entries = Object.entries(TISSUES).map(([name, tissue]) => {
    const remaining = sequence.suppression === 'dixon' ? (water[name as TissueName] ?? 1) : 1;
    return [name, remaining * signalOf(tissue, sequence)];
  });
  return Object.fromEntries(entries) as Signals;
}

/** T1 at a field strength, from T1 at 1.5 T by a power law. */
function t1At({ t1, t1Exponent = 0.35 }: Tissue, fieldStrength: number): number {
  return t1 * (fieldStrength / 1.5) ** t1Exponent;
}
