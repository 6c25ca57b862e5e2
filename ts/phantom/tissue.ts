/**
 * Proton density (PD), T1 and T2 of the tissues at 1.5 T. docs/phantom.md has the sources. Fat and muscle have the
 * apparent T2 of a turbo spin echo sequence: its echo train suppresses J-coupling, so that fat is about as bright as CSF.
 */

export interface Tissue {
  /** T1 at 1.5 T, ms. */
  readonly t1: number;
  /** T1 grows with this power of the field strength; default 0.35. */
  readonly t1Exponent?: number;
  /** T2, ms. */
  readonly t2: number;
  /** PD, per cent of water. */
  readonly protonDensity: number;
}

export const TISSUES = {
  csf: { t1: 4273, t1Exponent: 0, t2: 1578, protonDensity: 107 },
  cord: { t1: 780, t2: 102, protonDensity: 59 },
  root: { t1: 780, t2: 82, protonDensity: 60 },
  marrow: { t1: 515, t2: 101, protonDensity: 91 },
  fat: { t1: 382, t1Exponent: 0.17, t2: 170, protonDensity: 96 },
  muscle: { t1: 898, t2: 42, protonDensity: 82 },
  annulus: { t1: 700, t2: 42, protonDensity: 52 },
  ligament: { t1: 600, t2: 26, protonDensity: 45 },
  cortex: { t1: 600, t2: 10, protonDensity: 20 },
  blood: { t1: 1400, t2: 20, protonDensity: 40 },
  bowel: { t1: 900, t2: 62, protonDensity: 80 },
  skin: { t1: 900, t2: 40, protonDensity: 60 },
  oedema: { t1: 1250, t2: 150, protonDensity: 95 },
  sclerosis: { t1: 600, t2: 30, protonDensity: 40 },
  haemangioma: { t1: 480, t2: 210, protonDensity: 98 },
  fragment: { t1: 950, t2: 68, protonDensity: 68 },
} as const satisfies Record<string, Tissue>;

export type TissueName = keyof typeof TISSUES;

/** Signal of each tissue in one series. */
export type Signals = Readonly<Record<TissueName, number>>;

/** The nucleus pulposus at a degeneration of 0 (Pfirrmann grade I) to 1 (grade V). */
export function nucleusTissue(degeneration: number): Tissue {
  const t2 = 210 * Math.exp(-1.5 * degeneration);
  return { t1: 1165 - 611 * degeneration, t2, protonDensity: 79 - 31 * degeneration };
}
