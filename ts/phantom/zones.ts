/** The contents of the canal, its lateral recesses and the foramina of a study, as every painter and reader samples them. */
import type { CanalPoint } from './canal.js';
import { smoothStep } from './canvas.js';
import { FORAMEN_DEPTH } from './lateral.js';
import type { PhantomStudy } from './study.js';

/** Writes the content of the canal or of a lateral recess at (s, t, u) to `point`. */
export function canalSample(
  { canal, lateral, signals }: PhantomStudy,
  s: number,
  t: number,
  u: number,
  point: CanalPoint,
): void {
  canal.sample(s, t, u, signals, point);
  lateral?.recess(s, t, u, signals, point);
}

/** The content of a foramen at (s, t, u). `fat` is the fraction of fat. */
export interface ForamenPoint {
  readonly coverage: number;
  readonly signal: number;
  readonly fat: number;
}

const OUTSIDE: ForamenPoint = { coverage: 0, signal: 0, fat: 0 };

/** The content of the foramen at (s, t, u). */
export function foramenSample(
  { lateral, signals, texture }: PhantomStudy,
  s: number,
  t: number,
  u: number,
): ForamenPoint {
  const side = Math.abs(u);
  if (side < 10 || side > 22 || t < 0 || t > FORAMEN_DEPTH) return OUTSIDE;
  const coverage =
    smoothStep(10, 12, side) * smoothStep(22, 18, side) * smoothStep(0, 1.2, Math.min(t, FORAMEN_DEPTH - t));
  const fat = signals.fat * (0.78 + 0.12 * texture.at(t * 0.5, s * 0.4));
  if (lateral === null) return { coverage, signal: fat, fat: coverage };
  const [anterior, posterior] = lateral.foramen(s, u);
  const inDisc = smoothStep(anterior + 0.5, anterior - 0.5, t);
  const inFacet = smoothStep(posterior - 0.5, posterior + 0.5, t);
  let signal = fat + inDisc * (signals.annulus * 0.9 - fat);
  signal += inFacet * (signals.ligament * 1.4 - signal);
  return { coverage, signal, fat: coverage * (1 - inDisc) * (1 - inFacet) };
}
