/**
 * Shapes of vertebrae and discs in the sagittal plane at `u` mm from the midline: vertebral bodies with a concave wall,
 * cortical bone, textured marrow and the basivertebral vein; discs with nucleus, intranuclear cleft and annulus;
 * spinous processes, laminae, pedicles and articular processes, each within its lateral range.
 */
import {
  type Box,
  bell,
  ellipseDepth,
  type Frame,
  roundedBoxDepth,
  type Shape,
  smoothStep,
} from './canvas.js';
import { type Lesions, lesionSignal } from './lesions.js';
import type { Disc, Spine, Vertebra } from './spine.js';
import type { Texture } from './texture.js';
import { nucleusTissue, type Signals, type Tissue } from './tissue.js';

/** Appearance of the bone of one patient. */
export interface BoneLook {
  readonly signals: Signals;
  /** Signal of a tissue that is not in `signals`. */
  readonly signalOf: (tissue: Tissue) => number;
  readonly lesions: Lesions;
  readonly texture: Texture;
  /**
   * Signal of the marrow of bodies and of arches, relative to the mean. Fatty marrow is bright, and dark if fat is
   * suppressed.
   */
  readonly marrow: number;
  readonly archMarrow: number;
  /** Strength of the texture of the marrow. */
  readonly mottle: number;
  /** Shift of the textures of bone and of discs in the plane at u. */
  readonly boneShift: (u: number) => number;
  readonly discShift: (u: number) => number;
}

/** A disc; null if it does not reach the plane. */
export function discShape(disc: Disc, u: number, look: BoneLook): Shape | null {
  const lateral = lateralFraction(u, disc.halfWidth);
  if (lateral <= 0) return null;
  const { signals, texture } = look;
  const nucleus = look.signalOf(nucleusTissue(disc.degeneration));
  const anterior = disc.halfDepth * lateral + 1.2 + disc.degeneration * 2;
  const posterior = disc.halfDepth * Math.sqrt(lateral) + 0.6;
  const centre = (posterior - anterior) / 2;
  const half = (posterior + anterior) / 2;
  // Higher than the disc: the bodies, painted later, cover the rest.
  const halfHeight = disc.halfHeight + 3;
  const cleft = 1 - smoothStep(0.35, 0.8, disc.degeneration);
  const corner = Math.min(4, disc.halfHeight);
  const shift = look.discShift(u);
  return {
    frame: shifted(disc, centre),
    box: centredBox(half + 1, halfHeight + 1),
    depth: (p, q) => roundedBoxDepth(p, q, half, halfHeight, corner),
    signal(p, q) {
      const height = disc.halfHeight + disc.wedge * p + 1;
      const core = Math.sqrt(((p - 1) / (half - 4.5)) ** 2 + (q / (height * 0.95)) ** 2);
      const inCore =
        1 - smoothStep(0.5, 1.15, core + 0.08 * texture.at(p * 0.5, q + disc.index * 20 + shift));
      const band = 1 - 0.45 * cleft * bell(q / 0.9) * (1 - smoothStep(0.5, 0.9, Math.abs(p) / half));
      const value = signals.annulus + inCore * Math.max(0, nucleus - signals.annulus) * band;
      return value * (1 + 0.12 * texture.at(p * 0.6 + 9, q * 1.2 + disc.index * 31 + shift));
    },
  };
}

/** A vertebral body; null if it does not reach the plane. */
export function bodyShape(body: Vertebra, spine: Spine, u: number, look: BoneLook): Shape | null {
  const lateral = lateralFraction(u, body.halfWidth);
  if (lateral <= 0) return null;
  const { signals, texture } = look;
  const anterior = body.halfDepth * lateral;
  const posterior = body.halfDepth * Math.sqrt(lateral);
  const centre = (posterior - anterior) / 2;
  const half = (posterior + anterior) / 2;
  const lumbar = body.name.startsWith('L') || body.name.startsWith('T');
  const waist = lumbar ? 2 : 0.6;
  const marrow = signals.marrow * look.marrow;
  const degenerationAbove = spine.discs[body.index - 1]?.degeneration ?? 0;
  const degenerationBelow = spine.discs[body.index]!.degeneration;
  const shift = body.index * 37 + look.boneShift(u);
  const vein = lumbar ? 1 - smoothStep(3, 8, Math.abs(u)) : 0;
  const heightAt = (p: number) => body.halfHeight + body.wedge * p + body.bow * ((p / half) ** 2 - 0.55);
  return {
    frame: shifted(body, centre),
    box: centredBox(half + 3, body.halfHeight + half * Math.abs(body.wedge) + body.bow + 3),
    depth(p, q) {
      const across = p / half;
      const along = q / body.halfHeight;
      const degeneration = along > 0 ? degenerationAbove : degenerationBelow;
      const lip = across < 0 ? 1 + 0.5 * degeneration : 0.55;
      const depth = half - waist * lip * (0.7 - along * along);
      const rough = (0.2 + 0.35 * degeneration) * texture.at(p * 0.35 + shift, q * 0.35);
      return roundedBoxDepth(p, q, depth, heightAt(p), 1.6) + rough;
    },
    signal(p, q, depth) {
      const height = heightAt(p);
      const rim = smoothStep(-0.4, 0.9, depth);
      const plate = smoothStep(0.5, 1.5, height - Math.abs(q));
      const fine = texture.at(p * 1.1 + shift, q * 0.9 + shift);
      const coarse = texture.at(p * 0.22 + shift, q * 0.22);
      let bone = marrow * (1 + look.mottle * (0.13 * fine + 0.1 * coarse));
      bone += body.oedema * (signals.oedema - bone) * smoothStep(-1.6, 0.6, coarse);
      const inVein = vein * bell(q / (0.8 + 0.1 * Math.max(0, p))) * smoothStep(0.1 * half, 0.8 * half, p);
      bone += inVein * (signals.csf * 0.75 - bone) * 0.8;
      const point = { p, q, u, fromEndplate: height - Math.abs(q), half };
      bone = lesionSignal(look.lesions, body.index, point, look, bone);
      return signals.cortex + (bone - signals.cortex) * Math.min(rim, plate);
    },
  };
}

/** A rounded box in the frame of a body: centre (p, q), half sides a and b, cosine and sine of its rotation. */
interface Piece {
  readonly p: number;
  readonly q: number;
  readonly a: number;
  readonly b: number;
  readonly cos: number;
  readonly sin: number;
  /** mm by which the piece is smaller because the plane is near its lateral end. */
  readonly shrinkage: number;
}

/** The neural arch of a vertebra in this plane, as the smooth union of its pieces; null if there are none. */
export function archShape(body: Vertebra, u: number, look: BoneLook): Shape | null {
  const pieces = archPieces(body, Math.abs(u));
  if (pieces.length === 0) return null;
  const { signals, texture } = look;
  const marrow = signals.marrow * look.archMarrow;
  const shift = body.index * 53 + look.boneShift(u);
  return {
    frame: body,
    box: boundingBox(pieces),
    depth(p, q) {
      let sum = 0;
      for (const piece of pieces) {
        const dp = p - piece.p;
        const dq = q - piece.q;
        const across = dp * piece.cos + dq * piece.sin;
        const along = dq * piece.cos - dp * piece.sin;
        const corner = Math.min(piece.a, piece.b) * 0.5;
        const depth = roundedBoxDepth(across, along, piece.a, piece.b, corner) - piece.shrinkage;
        if (depth > -5) sum += Math.exp(1.1 * depth);
      }
      if (sum < 0.02) return -4;
      const union = Math.log(sum) / 1.1;
      return (
        union + 1.1 * texture.at(p * 0.17 + shift, q * 0.17) + 0.4 * texture.at(p * 0.6, q * 0.6 + shift)
      );
    },
    signal(p, q, depth) {
      const fine = texture.at(p + shift, q);
      const coarse = texture.at(p * 0.3, q * 0.3 + shift);
      const bone = marrow * (1 + look.mottle * (0.12 * fine + 0.2 * coarse));
      return signals.cortex + (bone - signals.cortex) * smoothStep(-0.6, 1.6, depth);
    },
  };
}

function archPieces(body: Vertebra, side: number): Piece[] {
  const { halfDepth, halfHeight } = body;
  const size = halfDepth / 16.5;
  const pieces: Piece[] = [];
  const add = (p: number, q: number, a: number, b: number, tilt: number, fraction: number) => {
    if (fraction <= 0) return;
    const shrinkage = 5 * (1 - fraction);
    const [cos, sin] = [Math.cos(tilt), -Math.sin(tilt)];
    pieces.push({ p: halfDepth + p * size, q, a: a * size, b: b * size, cos, sin, shrinkage });
  };
  const between = (low: number, high: number) =>
    smoothStep(low - 1.2, low + 1.2, side) * (1 - smoothStep(high - 1.2, high + 1.2, side));

  const kind = body.name[0];
  if (kind === 'L') {
    const isL5 = body.name === 'L5';
    const spinous = 1 - smoothStep(2.5, 5, side);
    add(isL5 ? 27 : 33, -halfHeight + (isL5 ? 3 : 0), isL5 ? 9 : 14.5, isL5 ? 6 : 9.8, 0.2, spinous);
    add(24, -halfHeight * 0.6, 5.5, 7, -0.2, spinous);
    add(22.5 - side * 0.85, -halfHeight * 0.5, 3.8, 9, -0.28, between(3.5, 12));
    add(5, halfHeight * 0.4, 11, 6, 0, between(10, 18));
    add(17, 0, 4, 9, -0.35, between(10.5, 19));
    add(12.5, halfHeight * 1.05, 3.2, 7.5, -0.25, between(12, 22));
    add(19, -halfHeight * 1.05, 4, 8, -0.2, between(9.5, 17));
  } else if (kind === 'T') {
    add(29, -halfHeight - 3, 13, 4.6, 0.55, 1 - smoothStep(2.5, 4.5, side));
    add(20, -halfHeight * 0.4, 3.5, 9, -0.2, between(2.5, 11));
    add(5, halfHeight * 0.5, 10, 5.2, 0, between(9, 15));
    add(15.5, 0, 3.5, 14, -0.15, between(9, 16));
  } else {
    const segment = Number(body.name[1]);
    const canalDepth = 17 - 3 * segment;
    add(canalDepth, -2, 3, halfHeight, -0.1, 1 - smoothStep(16, 20, side));
    add(canalDepth + 5, -2, Math.max(2, 6 - segment), halfHeight * 0.7, 0.1, 1 - smoothStep(3, 7, side));
  }
  return pieces;
}

/** The nerve root in the foramen below a lumbar pedicle. Narrowing compresses it. */
export function foramenRoot(body: Vertebra, u: number, look: BoneLook, narrowing: number): Shape {
  const side = Math.abs(u);
  const p0 = body.halfDepth + 4.5;
  const q0 = -body.halfHeight * 0.35;
  const size = 1 - 0.3 * Math.min(1, narrowing);
  return {
    opacity: smoothStep(10, 13, side) * (1 - smoothStep(24, 27, side)),
    frame: body,
    box: { pMin: p0 - 4, pMax: p0 + 4, qMin: q0 - 4, qMax: q0 + 4 },
    depth: (p, q) => ellipseDepth(p - p0, q - q0, 2.8 * size, 3.4 * size),
    signal: () => look.signals.root * 0.8,
  };
}

/** Depth of an ellipse at `u`, as a fraction of its depth at the centre. */
function lateralFraction(u: number, halfWidth: number): number {
  const square = 1 - (u / halfWidth) ** 2;
  return square > 0 ? Math.sqrt(square) : 0;
}

/** The frame moved by `p` along its p axis. */
function shifted({ y, z, angle }: Frame, p: number): Frame {
  return { y: y + p * Math.cos(angle), z: z + p * Math.sin(angle), angle };
}

function centredBox(a: number, b: number): Box {
  return { pMin: -a, pMax: a, qMin: -b, qMax: b };
}

/** Bounding box of the pieces, with a margin for the smooth union and the rough surface. */
function boundingBox(pieces: readonly Piece[]): Box {
  const margin = 3;
  const extent = (piece: Piece) => {
    const [cos, sin] = [Math.abs(piece.cos), Math.abs(piece.sin)];
    return [piece.a * cos + piece.b * sin + margin, piece.a * sin + piece.b * cos + margin] as const;
  };
  return {
    pMin: Math.min(...pieces.map((piece) => piece.p - extent(piece)[0])),
    pMax: Math.max(...pieces.map((piece) => piece.p + extent(piece)[0])),
    qMin: Math.min(...pieces.map((piece) => piece.q - extent(piece)[1])),
    qMax: Math.max(...pieces.map((piece) => piece.q + extent(piece)[1])),
  };
}
