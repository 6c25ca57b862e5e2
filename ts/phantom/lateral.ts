/**
 * Narrowing lateral to the thecal sac, per level and side: of the foramen between two pedicles, where the exiting nerve
 * root is surrounded by fat, and of the lateral recess (subarticular zone) at the disc, where the next root leaves the
 * sac. In both, the disc bulges from the front and the facet joint grows from the back. Coordinates are those of
 * `canal.ts`: s along the posterior wall of the bodies, t posteriorly, u to the patient's left.
 */
import type { CanalPoint } from './canal.js';
import { bell, ellipseDepth, smoothStep } from './canvas.js';
import type { Spine } from './spine.js';
import type { Signals } from './tissue.js';

/** Latent narrowing of the five levels on each side of the patient: 0 none, about 1 no space left. */
export interface Narrowing {
  readonly left: readonly number[];
  readonly right: readonly number[];
}

/** Lateral distance of the middle of a foramen, mm at mean patient size. */
export const FORAMEN_SIDE = 15.5;

/** Height of the middle of a foramen above its disc, mm. */
export const FORAMEN_ABOVE = 8;

/** Anteroposterior depth of a foramen and of a recess without narrowing, mm. */
export const FORAMEN_DEPTH = 15;
export const RECESS_DEPTH = 6.5;

/** Lateral distance of the traversing root in the recess, mm. */
export const RECESS_SIDE = 8.4;

export class Lateral {
  readonly #levels: readonly number[];

  constructor(
    spine: Spine,
    readonly foramina: Narrowing,
    readonly recesses: Narrowing,
  ) {
    this.#levels = spine.levelPosition;
  }

  /** Latent narrowing of the foramen of a level, on the side of u. */
  foramenNarrowing(level: number, u: number): number {
    return (u > 0 ? this.foramina.left : this.foramina.right)[level]!;
  }

  /** Anterior and posterior limit of the fat of the foramen at s, as t in mm. */
  foramen(s: number, u: number): readonly [anterior: number, posterior: number] {
    const level = this.#levelAbove(s);
    const narrowing = this.foramenNarrowing(level, u);
    const above = this.#levels[level]! - s;
    const disc = bell((above - 2) / 6);
    const facet = bell((above - 4) / 9);
    const anterior = narrowing * (2.6 + 7 * disc);
    const posterior = FORAMEN_DEPTH - narrowing * (3 + 7.6 * facet);
    return [anterior, posterior];
  }

  /** Modifies the content of a point of the canal, from `Canal.sample`, if it is in a lateral recess. */
  recess(s: number, t: number, u: number, signals: Signals, point: CanalPoint): void {
    const side = Math.abs(u);
    if (side < 5.5 || side > 12.5 || t < 0 || t > RECESS_DEPTH + 2) return;
    let level = 0;
    for (let i = 1; i < this.#levels.length; i++) {
      if (Math.abs(s - this.#levels[i]!) < Math.abs(s - this.#levels[level]!)) level = i;
    }
    const near = bell((s - this.#levels[level]!) / 4);
    const inside = near * smoothStep(5.5, 7, side) * smoothStep(12.5, 11, side);
    if (inside <= 0) return;
    const narrowing = Math.min(1, (u > 0 ? this.recesses.left : this.recesses.right)[level]!);
    const anterior = RECESS_DEPTH * 0.52 * narrowing;
    const posterior = RECESS_DEPTH * (1 - 0.35 * narrowing);
    const middle = (anterior + posterior) / 2;
    const half = (posterior - anterior) / 2;
    const pocket = smoothStep(-0.4, 0.4, ellipseDepth(side - RECESS_SIDE - 0.3, t - middle, 3.4, half + 0.3));
    const radius = Math.min(1.6, half + 0.6);
    const root = smoothStep(0.5, -0.5, Math.hypot(side - RECESS_SIDE, t - middle) - radius);
    const fat = signals.fat * 0.85;
    const content = fat + root * (signals.root * 0.9 - fat);
    const wall = t < middle ? signals.annulus * 0.9 : signals.ligament * 1.5;
    const signal = wall + Math.max(pocket, root) * (content - wall);
    point.signal = point.inside ? point.signal + inside * (signal - point.signal) : signal;
    point.csf *= 1 - inside;
    point.inside ||= inside > 0.5;
  }

  /** The level whose foramen contains s: the first one whose disc is not above it. */
  #levelAbove(s: number): number {
    const level = this.#levels.findIndex((position) => s <= position + 6);
    return level < 0 ? this.#levels.length - 1 : level;
  }
}
