/**
 * Soft tissue in an axial plane: paraspinal and psoas muscles, subcutaneous fat, the great vessels, and the abdomen
 * anterior to the spine. Painted first; bones and canal are painted over it.
 */
import { bell, ellipseDepth, roundedBoxDepth, smoothStep } from './canvas.js';
import { type Habitus, organSignal } from './softTissue.js';
import type { Disc } from './spine.js';
import type { Texture } from './texture.js';
import type { Signals } from './tissue.js';

/** Depth (mm) and half width (mm) of the furrow of the back in the midline. */
const FURROW = { depth: 9, halfWidth: 5 };

/** Lateral end of the paraspinal muscles, and the septum between multifidus and erector spinae, mm. */
const MUSCLE_END = 66;
const SEPTUM = 24;

/**
 * The signal at `u` mm left of the midline and the patient point (y, z), in a plane at `disc`.
 *
 * @param shift offset of the textures, so that slices differ
 */
export function axialTissue(
  habitus: Habitus,
  signals: Signals,
  texture: Texture,
  disc: Disc,
  shift: number,
): (u: number, y: number, z: number) => number {
  const organs = organSignal(habitus, signals, texture, shift);
  const caudal = smoothStep(70, -70, disc.z);
  const psoas = { a: 9 + 13 * caudal, b: 12 + 13 * caudal };
  const psoasSide = disc.halfWidth + 0.8 * psoas.a + 1;

  return (u, y, z) => {
    const side = Math.abs(u);
    const curve = 10 * (side / 55) ** 2;
    const fascia = habitus.fascia(z) - FURROW.depth * bell(side / FURROW.halfWidth) - curve;
    const skin = habitus.skin(z) - curve;
    const depth = Math.min(skin - y, y - habitus.belly(z));
    if (depth <= 0) return 0;
    const posterior = habitus.posteriorWall(z);
    let value: number;
    if (y > fascia) value = subcutaneous(u, y, fascia);
    else if (y > posterior) {
      const half = (fascia - posterior - 5) / 2;
      const middle = side - MUSCLE_END / 2;
      const muscleDepth = roundedBoxDepth(
        middle,
        y - fascia + half,
        MUSCLE_END / 2,
        half,
        Math.min(half, 22),
      );
      const rough = 1.5 * texture.at(u * 0.12, y * 0.12 + shift);
      const septum = bell((side - SEPTUM - 0.3 * (y - posterior - 30) - 3 * rough) / 0.7);
      value = signals.fat * (0.85 + 0.06 * texture.at(u * 0.2, y * 0.2 + shift));
      value += smoothStep(-0.5, 1, muscleDepth + rough) * (1 - 0.6 * septum) * (muscle(u, y, 1) - value);
    } else value = organs(y, u, habitus.anteriorWall(z), habitus.belly(z));
    const inPsoas = ellipseDepth(side - psoasSide, y - posterior + psoas.b * 0.75, psoas.a, psoas.b);
    const coverage = smoothStep(-0.5, 0.7, inPsoas + 0.5 * texture.at(u * 0.15, y * 0.15 + shift));
    value += coverage * (muscle(u, y, 0.25) - value);
    for (const { x, radius, gap } of habitus.vessels) {
      const wall = radius - Math.hypot(u - x, y - habitus.anteriorWall(z) + gap + radius);
      const blood = signals.blood * (1 + 0.9 * smoothStep(1.6, 0, wall));
      value += smoothStep(-0.5, 0.5, wall) * (blood - value);
    }
    return value + (signals.skin - value) * (1 - smoothStep(1, 2.2, depth));
  };

  function subcutaneous(u: number, y: number, fascia: number): number {
    const septum = bell((texture.at(u * 0.03 + shift, y * 0.12) - 0.2) / 0.05);
    const value = signals.fat * (1 + 0.05 * texture.at(u * 0.3, y * 0.3)) * (1 - 0.2 * septum);
    return value + (signals.ligament - value) * 0.8 * bell((y - fascia - 0.8) / 0.8);
  }

  /** Muscle fibres, cut across, with fat between the bundles. */
  function muscle(u: number, y: number, fatty: number): number {
    const bundle = texture.at(u * 0.22 + shift, y * 0.22);
    const fine = texture.at(u * 0.7, y * 0.7 + shift);
    const fat = smoothStep(1, 3.4, 0.9 * bundle + 0.6 * fine + 2.6 * fatty * habitus.muscleFat);
    const value = signals.muscle * 1.5 * (1 + 0.12 * fine);
    return value + (signals.fat * 0.6 - value) * fat;
  }
}
