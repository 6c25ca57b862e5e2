/**
 * The spinal canal between the posterior wall of the bodies and the laminae, in coordinates of the wall: s is the arc
 * length along the wall (inferiorly), t the distance from it (posteriorly), u the lateral distance. Stenosis pushes the
 * disc into the thecal sac anteriorly and the ligamentum flavum posteriorly, and narrows the sac laterally. The nerve
 * roots keep their cross-section, so they fill a larger fraction of a smaller sac: root crowding and effacement of CSF
 * follow from the geometry.
 */

import type { RandomStream } from '../random.js';
import { bell, smoothStep } from './canvas.js';
import { type Fragment, fragmentThickness } from './fragment.js';
import type { Pathology } from './pathology.js';
import type { Spine } from './spine.js';
import type { Texture } from './texture.js';
import type { Signals } from './tissue.js';

const STEP = 0.5;

/** Fraction of patients in whom the pulsation of CSF makes dark patches (flow voids). */
export const FLOW_FRACTION = 0.3;

/** Depth in mm that a fragment leaves to the sac. */
const MIN_DEPTH = 1.4;

/** Content of a point of the canal; `csf` is the fraction of CSF. */
export interface CanalPoint {
  inside: boolean;
  signal: number;
  csf: number;
}

export class Canal {
  // Functions of s in steps of STEP mm. `anterior` is the t of the anterior wall of the sac; the others are in mm too,
  // except the fraction of the sac that roots fill.
  readonly #anterior: Float64Array;
  readonly #depth: Float64Array;
  readonly #halfWidth: Float64Array;
  readonly #rootFraction: Float64Array;
  readonly #bulge: Float64Array;
  readonly #fat: Float64Array;
  readonly #flavum: Float64Array;
  readonly #conus: number;
  readonly #waviness: number;
  readonly #fragment: (Fragment & { readonly position: number }) | null;
  /** Maximum fraction of the signal of CSF that flow removes. */
  readonly flow: number;

  /** `occlusion` is the latent narrowing of the five levels: 0 none, about 1 no space left. */
  constructor(
    random: RandomStream,
    readonly spine: Spine,
    occlusion: readonly number[],
    readonly texture: Texture,
    { lipomatosis, fragment }: Pick<Pathology, 'lipomatosis' | 'fragment'>,
  ) {
    const count = Math.ceil(spine.wall.length / STEP) + 1;
    const array = () => new Float64Array(count);
    this.#anterior = array();
    this.#depth = array();
    this.#halfWidth = array();
    this.#rootFraction = array();
    this.#bulge = array();
    this.#fat = array();
    this.#flavum = array();
    this.#waviness = random.uniform(0.3, 1);
    this.flow = random.chance(FLOW_FRACTION) ? random.uniform(0.3, 0.8) : 0;
    this.#fragment = fragment && { ...fragment, position: spine.levelPosition[fragment.level]! };

    const [l12, , l34, l45, l5s1] = spine.levelPosition as [number, number, number, number, number];
    const pitch = (l45 - l12) / 3;
    this.#conus = l12 + random.bounded(-0.1, 0.4) * pitch;
    const end = l5s1 + pitch * random.bounded(1.35, 0.3);
    const depth = spine.size * random.bounded(13.4, 1);
    const halfWidth = spine.size * random.bounded(8.8, 0.7);
    const sacralFat = random.uniform(1, 5);
    const rootBulk = random.bounded(1, 0.15);
    const levels = spine.levelPosition.map((position, i) => ({
      position: position + random.bounded(0, 0.6),
      narrowing: Math.max(0, occlusion[i]!),
      discFraction: random.uniform(0.4, 0.75),
      reach: random.uniform(3.4, 5),
      normalBulge: random.uniform(0.2, 1.3),
      fat: random.uniform(2, 5) * [0.5, 0.8, 1, 1.05, 1][i]!,
      flavum: random.uniform(2, 3.2),
    }));

    for (let i = 0; i < count; i++) {
      const s = i * STEP;
      const taper = 1 - smoothStep(l5s1 - 5, end, s);
      const above = smoothStep(0, l12, s);
      let sacDepth = depth * (0.93 + 0.07 * above) * (1 - 0.12 * smoothStep(l34, l5s1, s)) * Math.sqrt(taper);
      let anterior = 1.1 + sacralFat * smoothStep(l45 + pitch / 2, end, s);
      let width = halfWidth * Math.sqrt(taper);
      const roots = rootBulk * (0.32 - 0.2 * smoothStep(this.#conus, l5s1 + pitch / 2, s)) * sacDepth * width;
      let fat = 0.4 + 5 * (1 - taper);
      let flavum = 1.2;
      const excess = lipomatosis * smoothStep(l12 + pitch / 2, l45, s) * Math.sqrt(taper);
      sacDepth *= 1 - 0.42 * excess;
      width *= 1 - 0.25 * excess;
      anterior += 0.1 * depth * excess;
      fat += 0.32 * depth * excess;
      let bulge = 0;
      for (const level of levels) {
        const near = bell((s - level.position) / level.reach);
        const wide = bell((s - level.position - 1) / 6.5);
        const fromDisc = near * (level.normalBulge + level.narrowing * depth * 0.74 * level.discFraction);
        const fromFlavum = wide * level.narrowing * depth * 0.74 * (1 - level.discFraction);
        bulge += fromDisc;
        sacDepth -= fromDisc + fromFlavum;
        anterior += fromDisc;
        fat += wide * level.fat * Math.max(0.1, 1 - level.narrowing);
        flavum += wide * (level.flavum + fromFlavum * 0.9);
        width *= 1 - 0.34 * near * Math.min(1, level.narrowing);
      }
      this.#anterior[i] = anterior;
      this.#depth[i] = Math.max(taper > 0 ? 1.4 * Math.sqrt(taper) : 0, sacDepth);
      this.#halfWidth[i] = width;
      this.#rootFraction[i] = roots / Math.max(0.5, this.#depth[i]! * width);
      this.#bulge[i] = bulge;
      this.#fat[i] = fat;
      this.#flavum[i] = flavum;
    }
  }

  /** Anterior and posterior wall of the sac in the midline at s, mm from the posterior wall of the bodies. */
  sac(s: number): readonly [anterior: number, posterior: number] {
    const i = this.#index(s);
    return [this.#anterior[i]! + this.#push(i, s, 0), this.#anterior[i]! + this.#depth[i]!];
  }

  /** Writes the content at (s, t, u) to `point`. */
  sample(s: number, t: number, u: number, signals: Signals, point: CanalPoint): void {
    point.inside = false;
    point.csf = 0;
    const i = this.#index(s);
    const side = Math.abs(u);
    if (t < -0.8 || side > 11) return;
    const depth = this.#depth[i]!;
    const anterior = this.#anterior[i]!;
    const halfWidth = this.#halfWidth[i]!;
    const lateral = halfWidth > 0 && side < halfWidth ? Math.sqrt(1 - (side / halfWidth) ** 2) : 0;
    const push = this.#push(i, s, u);
    const sacAnterior = anterior + (depth / 2) * (1 - lateral) * 0.7 + push;
    const sacPosterior = anterior + depth - (depth / 2) * (1 - lateral) * 1.3;
    const roof = depth * (1 - 0.5 * smoothStep(3, 11, side));
    const fatPosterior = anterior + roof + this.#fat[i]! * Math.max(0, 1 - side / 7);
    const flavumPosterior = fatPosterior + this.#flavum[i]!;
    if (t > flavumPosterior) return;
    point.inside = true;

    const fat = signals.fat * (0.82 + 0.1 * this.texture.at(t * 0.9 + 31, s * 0.7));
    if (t < sacAnterior) {
      const bulge = this.#bulge[i]! * (side < 8 ? 1 : 0.7) + 0.4;
      if (push > 0.6 && t > sacAnterior - push) {
        // A dark rim, the dura and the ligament, around a brighter fragment.
        const inside = smoothStep(0.2, 1, Math.min(t - sacAnterior + push, sacAnterior - t));
        point.signal = signals.ligament + inside * (signals.fragment - signals.ligament);
        return;
      }
      const veins = lateral === 0 ? fat : 0.5 * fat + 0.5 * signals.ligament;
      point.signal = t < bulge ? signals.annulus * (t > bulge - 0.8 ? 0.5 : 0.95) : veins;
      return;
    }
    if (t > sacPosterior || lateral === 0) {
      const inFlavum = smoothStep(fatPosterior - 0.4, fatPosterior + 0.4, t);
      const outside =
        lateral === 0
          ? fat
          : signals.ligament + (fat - signals.ligament) * smoothStep(0, 0.8, t - sacPosterior);
      point.signal = inFlavum * signals.ligament * 1.6 + (1 - inFlavum) * outside;
      return;
    }
    this.#sampleSac(i, s, t - sacAnterior, sacPosterior - sacAnterior, u, signals, point);
  }

  #sampleSac(
    i: number,
    s: number,
    fromAnterior: number,
    depth: number,
    u: number,
    signals: Signals,
    point: CanalPoint,
  ): void {
    const dura = smoothStep(-0.1, 0.7, Math.min(fromAnterior, depth - fromAnterior));
    const wave = this.#waviness * 1.6 * this.texture.at(s * 0.09, u * 0.2 + 60);
    const strand = this.texture.at((fromAnterior + wave) * 1.25 + u * 0.6, s * 0.028 + 17);
    const rootFraction = this.#rootFraction[i]!;
    const relative = depth > 0 ? fromAnterior / depth : 0;
    const crowding = smoothStep(0.55, 1.05, rootFraction);
    const ramp =
      (relative - (1 - Math.min(1.1, rootFraction * 1.25))) / 0.3 +
      strand * (1.5 - crowding) +
      crowding * 2.2;
    const below = s - this.#conus;
    const free = 0.55 + 0.45 * smoothStep(-20, 25, below);
    const roots = smoothStep(-0.9, 1.1, ramp) * (0.72 + 0.28 * crowding) * free;
    const radius = below < 0 ? 4.1 * Math.sqrt(Math.min(1, -below / 26)) : 0;
    const cord =
      smoothStep(-0.5, 0.5, radius - Math.sqrt((fromAnterior - depth * 0.52) ** 2 + (u * 0.85) ** 2)) *
      smoothStep(0, 2, -below);
    point.csf = (1 - cord) * (1 - roots) * dura;
    point.signal =
      dura * (cord * signals.cord + (1 - cord) * roots * signals.root) +
      point.csf * signals.csf * (1 - this.#flowLoss(s, relative, u)) +
      (1 - dura) * signals.ligament;
  }

  /** How far the fragment pushes the anterior wall of the sac, mm. */
  #push(i: number, s: number, u: number): number {
    if (this.#fragment === null) return 0;
    const thickness = fragmentThickness(this.#fragment, s - this.#fragment.position, u);
    return Math.max(0, Math.min(thickness, this.#depth[i]! - MIN_DEPTH));
  }

  /** Fraction of the signal of CSF that flow removes: patches in the middle of the sac, longer than wide. */
  #flowLoss(s: number, relative: number, u: number): number {
    if (this.flow === 0) return 0;
    const patch = smoothStep(0.2, 1.6, this.texture.at(s * 0.07 + 140, relative * 2.2 + u * 0.15));
    return this.flow * patch * bell((relative - 0.5) / 0.25);
  }

  #index(s: number): number {
    return Math.max(0, Math.min(this.#anterior.length - 1, Math.round(s / STEP)));
  }
}
