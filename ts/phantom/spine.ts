/**
 * The vertebral column of one phantom: vertebrae T9 to S4 as a chain of endplates, built upward and downward from the
 * superior endplate of S1. Coordinates are patient mm (y increases posteriorly, z superiorly) in the midsagittal plane;
 * the origin is the centre of L3. The x coordinate of the midline (to the left) varies slightly with height.
 */
import { LEVELS, type Level } from '../anatomy.js';
import type { RandomStream } from '../random.js';
import type { Frame } from './canvas.js';
import { Path, smoothFunction } from './curve.js';
import type { Fracture } from './fractures.js';
import type { Pathology } from './pathology.js';
import { L1, L3, S1, VERTEBRAE } from './vertebrae.js';

export interface Vertebra extends Frame {
  readonly name: string;
  readonly index: number;
  /** Half the anteroposterior depth of the body, and half its height at the centre, mm. */
  readonly halfDepth: number;
  readonly halfHeight: number;
  /** Change of the half height per mm in the posterior direction. */
  readonly wedge: number;
  /** Half the lateral width, mm. */
  readonly halfWidth: number;
  /** Excess of the half height at the anterior and posterior rim over that at the centre, mm. */
  readonly bow: number;
  /** Fraction of the marrow that is replaced by oedema. */
  readonly oedema: number;
}

export interface Disc extends Frame {
  /** Index of the vertebra above the disc. */
  readonly index: number;
  readonly level: Level | null;
  readonly halfDepth: number;
  readonly halfHeight: number;
  readonly wedge: number;
  readonly halfWidth: number;
  /** 0 (healthy) to 1 (collapsed and dark). */
  readonly degeneration: number;
}

export interface Spine {
  readonly vertebrae: readonly Vertebra[];
  readonly discs: readonly Disc[];
  /** Posterior wall of the bodies; s increases inferiorly, t posteriorly, into the canal. */
  readonly wall: Path;
  /** s on `wall` of the disc of each level. */
  readonly levelPosition: readonly number[];
  /** x of the midline at height z, mm. */
  midline(z: number): number;
  /** Scale of the patient; 1 is the mean. */
  readonly size: number;
}

/** Height at the centre, depth and width of the bodies T9 to S4, mm. */
const HEIGHT = [19.5, 20.5, 21.5, 23, 24, 24.5, 24.5, 24.5, 23.5, 27, 21, 17, 14];
const DEPTH = [28, 29, 30, 31, 31.5, 32.5, 33.5, 34, 34, 28, 19, 14, 11];
const WIDTH = [30, 32, 35, 38, 41, 43, 45, 48, 50, 52, 44, 38, 32];
/** Angle between the endplates of each body, degrees; positive if the body is higher anteriorly. */
const BODY_WEDGE = [-2, -2, -2, -2, -1, 0, 1.5, 2.5, 8, 6, 3, -9, -14];
/** Height at the centre (mm) and angle (degrees) of the disc below each vertebra. */
const DISC_HEIGHT = [4, 4.5, 5, 6, 7.6, 9, 10.2, 11, 9.6, 2.4, 1.6, 1.2, 1];
const DISC_WEDGE = [0, 0, 0, 1, 4, 6.5, 8, 10.5, 15, 0, -4, -6, -6];

/**
 * Degeneration of the disc below each vertebra, 0 to 1. `occlusion` is the latent narrowing of the five levels, which
 * correlates weakly with it.
 */
export function drawDegeneration(random: RandomStream, occlusion: readonly number[]): number[] {
  const age = random.uniform();
  return VERTEBRAE.map((_, i) => {
    const level = i - L1;
    const predisposition = [0.1, 0.15, 0.2, 0.35, 0.38][level] ?? 0.05;
    const narrowing = occlusion[level] ?? 0;
    return Math.max(
      0,
      Math.min(
        1,
        0.65 * age * (0.6 + predisposition) + predisposition * 0.5 + 0.3 * narrowing + random.normal(0, 0.16),
      ),
    );
  });
}

/** Draws a spine with the degeneration of its discs, its slips, its fractures and its scoliosis. */
export function drawSpine(
  random: RandomStream,
  degeneration: readonly number[],
  { slips, fractures, scoliosis }: Pick<Pathology, 'slips' | 'fractures' | 'scoliosis'>,
): Spine {
  const size = random.bounded(1, 0.055);
  const lordosis = random.bounded(0.72, 0.16);
  const normalHeight = HEIGHT.map((height) => height * size * random.bounded(1, 0.03));
  const bodyHeight = normalHeight.map((height, i) => height * (1 - heightLoss(fractures[i]!)));
  const bodyWedge = BODY_WEDGE.map((degrees, i) => {
    const loss = (fractures[i]?.anterior ?? 0) * normalHeight[i]!;
    return radians(degrees + random.bounded(0, 1)) - Math.atan(loss / (DEPTH[i]! * size));
  });
  const discWedge = DISC_WEDGE.map((degrees, i) => radians(degrees * (i < S1 ? lordosis : 1)));
  const discHeight = DISC_HEIGHT.map((height, i) => {
    const loss = i < S1 ? 0.55 * degeneration[i]! ** 2 : 0;
    return height * size * random.bounded(1, 0.08) * (1 - loss);
  });

  const vertebrae = new Array<Vertebra>(VERTEBRAE.length);
  const discs = new Array<Disc>(VERTEBRAE.length);
  const vertebra = (index: number, frame: Frame): Vertebra => ({
    ...frame,
    name: VERTEBRAE[index]!,
    index,
    halfDepth: (DEPTH[index]! * size) / 2,
    halfHeight: bodyHeight[index]! / 2,
    wedge: -Math.tan(bodyWedge[index]! / 2),
    halfWidth: (WIDTH[index]! * size) / 2,
    bow: (index < S1 ? 0.9 : 0.2) + collapse(fractures[index]!) * bodyHeight[index]! * 0.5,
    oedema: fractures[index]?.oedema ?? 0,
  });
  const disc = (index: number, frame: Frame): Disc => ({
    ...frame,
    index,
    level: LEVELS[index - L1] ?? null,
    halfDepth:
      ((index < S1 ? (DEPTH[index]! + Math.min(DEPTH[index + 1]!, 33)) / 2 : (DEPTH[index + 1] ?? 9)) *
        size) /
      2,
    halfHeight: discHeight[index]! / 2,
    wedge: -Math.tan(discWedge[index]! / 2),
    halfWidth: (WIDTH[index]! * size) / 2,
    degeneration: degeneration[index]!,
  });

  const sacralSlope = radians(random.bounded(36, 5) * (0.5 + 0.5 * (lordosis / 0.72)));
  let cursor: Frame = { y: 0, z: 0, angle: sacralSlope };
  for (let i = S1 - 1; i >= 0; i--) {
    discs[i] = disc(i, slide(advance(cursor, discHeight[i]! / 2, -discWedge[i]! / 2), slips[i]! / 2));
    cursor = slide(advance(cursor, discHeight[i]!, -discWedge[i]!), slips[i]!);
    vertebrae[i] = vertebra(i, advance(cursor, bodyHeight[i]! / 2, -bodyWedge[i]! / 2));
    cursor = advance(cursor, bodyHeight[i]!, -bodyWedge[i]!);
  }
  cursor = { y: 0, z: 0, angle: sacralSlope };
  for (let i = S1; i < VERTEBRAE.length; i++) {
    vertebrae[i] = vertebra(i, advance(cursor, -bodyHeight[i]! / 2, bodyWedge[i]! / 2));
    cursor = advance(cursor, -bodyHeight[i]!, bodyWedge[i]!);
    discs[i] = disc(i, advance(cursor, -discHeight[i]! / 2, discWedge[i]! / 2));
    cursor = advance(cursor, -discHeight[i]!, discWedge[i]!);
  }

  const tilt = radians(random.bounded(0, 2.5)) + anteriorTilt(vertebrae);
  const origin = rotated(vertebrae[L3]!, tilt);
  const place = <T extends Frame>(item: T): T => {
    const moved = rotated(item, tilt);
    return { ...item, y: moved.y - origin.y, z: moved.z - origin.z, angle: item.angle - tilt };
  };
  const placedVertebrae = vertebrae.map(place);
  const placedDiscs = discs.map(place);
  const wall = posteriorWall(placedVertebrae, slips);
  const levelPosition = LEVELS.map((_, i) => {
    const [y, z] = posteriorMargin(placedDiscs[L1 + i]!);
    wall.locate(y, z, wall.sAtHeight(z));
    return wall.s;
  });

  const bend = random.bounded(0, 1.6) + scoliosis * (random.chance(0.5) ? 1 : -1);
  const lean = random.bounded(0, 0.012);
  const phase = random.uniform(0, 2 * Math.PI);
  const midline = (z: number) => lean * z + bend * Math.sin(z / 45 + phase);
  return { vertebrae: placedVertebrae, discs: placedDiscs, wall, levelPosition, midline, size };
}

function radians(degrees: number): number {
  return (degrees * Math.PI) / 180;
}

/** Moves by `height` along the mean upward axis and rotates by `rotation`. */
function advance(from: Frame, height: number, rotation: number): Frame {
  const angle = from.angle + rotation / 2;
  return {
    y: from.y - height * Math.sin(angle),
    z: from.z + height * Math.cos(angle),
    angle: from.angle + rotation,
  };
}

/** Moves posteriorly along the p axis. */
function slide({ y, z, angle }: Frame, distance: number): Frame {
  return { y: y + distance * Math.cos(angle), z: z + distance * Math.sin(angle), angle };
}

/** Loss of height at the centre of a fractured body that is due to the collapse of its endplates, as a fraction. */
function collapse(fracture: Fracture | null): number {
  return fracture === null ? 0 : Math.max(0, fracture.central - fracture.anterior / 2);
}

/** Loss of the mean height of a fractured body, as a fraction. */
function heightLoss(fracture: Fracture | null): number {
  return fracture === null ? 0 : fracture.anterior / 2 + collapse(fracture) / 2;
}

function rotated(item: Frame, angle: number): { y: number; z: number } {
  const cos = Math.cos(angle);
  const sin = Math.sin(angle);
  return { y: item.y * cos + item.z * sin, z: item.z * cos - item.y * sin };
}

/** Angle between the line from S1 to T12 and the vertical, positive if T12 is anterior, radians. */
function anteriorTilt(vertebrae: readonly Vertebra[]): number {
  const top = vertebrae[L1 - 1]!;
  const bottom = vertebrae[S1]!;
  return Math.atan2(bottom.y - top.y, top.z - bottom.z);
}

function posteriorMargin(disc: Disc): readonly [number, number] {
  return [disc.y + disc.halfDepth * Math.cos(disc.angle), disc.z + disc.halfDepth * Math.sin(disc.angle)];
}

/** A smooth path through the posterior corners of the bodies. */
function posteriorWall(vertebrae: readonly Vertebra[], slips: readonly number[]): Path {
  const points = vertebrae.flatMap((body, i) => {
    const cos = Math.cos(body.angle);
    const sin = Math.sin(body.angle);
    // The wall bridges a slip over a longer distance, so that it has no kink.
    const above = slips[i - 1] ? 0.35 : 0.62;
    const below = slips[i] ? 0.35 : 0.62;
    return [above, -below].map((fraction): [number, number] => {
      const q = fraction * body.halfHeight;
      return [body.z + body.halfDepth * sin + q * cos, body.y + body.halfDepth * cos - q * sin];
    });
  });
  points.reverse();
  for (let i = points.length - 2; i >= 0; i--) {
    if (points[i]![0] >= points[i + 1]![0] - 1) points.splice(i, 1);
  }
  const y = smoothFunction(points);
  return new Path(y, points[points.length - 1]![0], points[0]![0]);
}
