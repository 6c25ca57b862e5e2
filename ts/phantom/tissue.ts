/**
 * Proton density (PD), T1 and T2 of the tissues at 1.5 T, and the spin echo signal equation. docs/phantom.md has the
 * sources. Fat and muscle have the apparent T2 of a turbo spin echo sequence: its echo train suppresses J-coupling, so
 * that fat is about as bright as CSF.
 */

export interface Tissue {
  /** T1, ms. */
  readonly t1: number;
  /** T2, ms. */
  readonly t2: number;
  /** PD, per cent of water. */
  readonly protonDensity: number;
}

const TISSUES = {
  csf: { t1: 4273, t2: 1578, protonDensity: 107 },
  cord: { t1: 780, t2: 102, protonDensity: 59 },
  root: { t1: 780, t2: 82, protonDensity: 60 },
  marrow: { t1: 515, t2: 101, protonDensity: 91 },
  fat: { t1: 382, t2: 170, protonDensity: 96 },
  muscle: { t1: 898, t2: 42, protonDensity: 82 },
  annulus: { t1: 700, t2: 42, protonDensity: 52 },
  ligament: { t1: 600, t2: 26, protonDensity: 45 },
  cortex: { t1: 600, t2: 10, protonDensity: 20 },
  blood: { t1: 1400, t2: 20, protonDensity: 40 },
  bowel: { t1: 900, t2: 62, protonDensity: 80 },
  skin: { t1: 900, t2: 40, protonDensity: 60 },
} as const satisfies Record<string, Tissue>;

export type TissueName = keyof typeof TISSUES;

/** Signal of each tissue at the TR and TE of one study. */
export type Signals = Readonly<Record<TissueName, number>>;

/** Spin echo signal PD (1 - exp(-TR/T1)) exp(-TE/T2), in per cent of water; TR and TE in ms. */
export function spinEcho(tissue: Tissue, repetitionTime: number, echoTime: number): number {
  return tissue.protonDensity * (1 - Math.exp(-repetitionTime / tissue.t1)) * Math.exp(-echoTime / tissue.t2);
}

export function tissueSignals(repetitionTime: number, echoTime: number): Signals {
  const entries = Object.entries(TISSUES).map(([name, tissue]) => [
    name,
    spinEcho(tissue, repetitionTime, echoTime),
  ]);
  return Object.fromEntries(entries) as Signals;
}

/** The nucleus pulposus at a degeneration of 0 (Pfirrmann grade I) to 1 (grade V). */
export function nucleusTissue(degeneration: number): Tissue {
  const t2 = 210 * Math.exp(-1.5 * degeneration);
  return { t1: 1165 - 611 * degeneration, t2, protonDensity: 79 - 31 * degeneration };
}
