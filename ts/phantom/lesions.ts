/**
 * Lesions of vertebral bodies that change the signal of the marrow: endplate changes of the Modic types, Schmorl nodes
 * and haemangiomas. Coordinates are those of the body: p posteriorly, q superiorly, u to the left.
 */

import type { RandomStream } from '../random.js';
import { bell, smoothStep } from './canvas.js';
import type { Texture } from './texture.js';
import type { Signals, TissueName } from './tissue.js';
import { L1, S1, VERTEBRAE } from './vertebrae.js';

/** The change next to one endplate. */
export interface EndplateChange {
  readonly tissue: TissueName;
  /** Height in mm, and the position of its centre as a fraction of the half depth of the body. */
  readonly height: number;
  readonly centre: number;
  readonly strength: number;
}

/** A pit in an endplate, filled by the disc. All lengths in mm. */
export interface SchmorlNode {
  readonly p: number;
  readonly u: number;
  readonly depth: number;
  readonly width: number;
}

export interface Haemangioma {
  readonly p: number;
  readonly q: number;
  readonly u: number;
  readonly radius: number;
}

/** By index of the vertebra; superior and inferior endplate. */
export interface Lesions {
  readonly endplates: readonly (readonly [EndplateChange | null, EndplateChange | null])[];
  readonly nodes: readonly (readonly [SchmorlNode | null, SchmorlNode | null])[];
  readonly haemangiomas: readonly (Haemangioma | null)[];
}

/** Probability of a node per endplate from T11 to L4, and of a haemangioma per body from T11 to L5. */
export const NODE_FRACTION = 0.06;
export const HAEMANGIOMA_FRACTION = 0.03;

/** Probability of a Modic change at a lumbar disc of a degeneration of 0 to 1. */
export const modicProbability = (degeneration: number): number =>
  0.5 * Math.max(0, Math.min(1, (degeneration - 0.3) / 0.5));

/** Fractions of Modic type 1 (oedema) and 2 (fat); the rest is type 3 (sclerosis). */
export const MODIC_TYPES = [0.32, 0.56] as const;

export function drawLesions(random: RandomStream, degeneration: readonly number[]): Lesions {
  const endplates = VERTEBRAE.map((): [EndplateChange | null, EndplateChange | null] => [null, null]);
  for (let disc = L1; disc < S1; disc++) {
    if (!random.chance(modicProbability(degeneration[disc]!))) continue;
    const type = random.uniform();
    const tissue =
      type < MODIC_TYPES[0] ? 'oedema' : type < MODIC_TYPES[0] + MODIC_TYPES[1] ? 'fat' : 'sclerosis';
    const change = (): EndplateChange => ({
      tissue,
      height: random.uniform(3, 10),
      centre: random.uniform(-0.8, 0.5),
      strength: random.uniform(0.5, 0.95),
    });
    endplates[disc]![1] = change();
    endplates[disc + 1]![0] = change();
  }
  const from = VERTEBRAE.indexOf('T11');
  const nodes = VERTEBRAE.map((_, i): [SchmorlNode | null, SchmorlNode | null] => {
    if (i < from || i >= S1 - 1) return [null, null];
    return [schmorlNode(random), schmorlNode(random)];
  });
  const haemangiomas = VERTEBRAE.map((_, i): Haemangioma | null => {
    if (i < from || i >= S1 || !random.chance(HAEMANGIOMA_FRACTION)) return null;
    return {
      p: random.uniform(-9, 8),
      q: random.uniform(-6, 6),
      u: random.uniform(-9, 9),
      radius: random.uniform(4, 10),
    };
  });
  return { endplates, nodes, haemangiomas };
}

function schmorlNode(random: RandomStream): SchmorlNode | null {
  if (!random.chance(NODE_FRACTION)) return null;
  return {
    p: random.uniform(-6, 6),
    u: random.uniform(-9, 9),
    depth: random.uniform(3, 7),
    width: random.uniform(2.5, 5),
  };
}

/** A point of a body: its coordinates, the distance from the nearer endplate, and the half depth of the body, mm. */
export interface BodyPoint {
  readonly p: number;
  readonly q: number;
  readonly u: number;
  readonly fromEndplate: number;
  readonly half: number;
}

/** The signal of the marrow of body `index` at a point, given the signal that it would have without lesions. */
export function lesionSignal(
  { endplates, nodes, haemangiomas }: Lesions,
  index: number,
  { p, q, u, fromEndplate, half }: BodyPoint,
  { signals, texture }: { readonly signals: Signals; readonly texture: Texture },
  marrow: number,
): number {
  let value = marrow;
  const end = q > 0 ? 0 : 1;
  const change = endplates[index]![end];
  if (change !== null) {
    const near = 1 - smoothStep(0.6 * change.height, 1.4 * change.height, fromEndplate);
    const fraction = change.strength * near * bell((p / half - change.centre) / 0.55);
    value += fraction * (signals[change.tissue] - value);
  }
  const haemangioma = haemangiomas[index]!;
  if (haemangioma !== null) {
    const distance = Math.hypot(p - haemangioma.p, q - haemangioma.q, u - haemangioma.u);
    const inside = smoothStep(haemangioma.radius + 0.7, haemangioma.radius - 0.7, distance);
    // Thick vertical trabeculae are dark in it.
    const trabeculae = 0.85 + 0.15 * texture.at(p * 1.1 + 12 * index, q * 0.25);
    value += inside * (signals.haemangioma * trabeculae - value);
  }
  const node = nodes[index]![end];
  if (node !== null) {
    const pit = node.depth * bell((p - node.p) / node.width) * bell((u - node.u) / 4) - fromEndplate;
    const rim = bell((pit + 0.7) / 0.7);
    value += 0.8 * rim * (signals.cortex - value);
    value += smoothStep(-0.3, 0.8, pit) * (signals.annulus * 1.3 - value);
  }
  return value;
}
