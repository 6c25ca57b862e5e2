/**
 * What lies around the spine in one sagittal plane: abdomen with bowel and vessels in front, then the muscles of
 * the back with their fat, the fascia, the fat under the skin, and air. Drawn first; bones and canal go on top.
 */

import type { RandomStream } from '../random.js';
import { type Box, bell, type Grid, type Shape, smoothStep } from './canvas.js';
import { smoothFunction } from './curve.js';
import type { Spine } from './spine.js';
import type { Texture } from './texture.js';
import type { Signals } from './tissue.js';

export interface Habitus {
  /** y of the back's skin and of the fascia below its fat, and of the belly's skin, at height z. */
  readonly skin: (z: number) => number;
  readonly fascia: (z: number) => number;
  readonly belly: (z: number) => number;
  /** y of the front and back wall of the vertebral bodies. */
  readonly frontWall: (z: number) => number;
  readonly backWall: (z: number) => number;
  /** Share of fat in the muscles of the back, 0..1. */
  readonly muscleFat: number;
  readonly bellyFat: number;
  /** x (to the left) of the aorta and of the vena cava, and their radii, mm. */
  readonly vessels: readonly { readonly x: number; readonly radius: number; readonly gap: number }[];
}

export function drawHabitus(random: RandomStream, spine: Spine): Habitus {
  const walls = (sign: number) =>
    smoothFunction(
      spine.vertebrae
        .map((body): [number, number] => [
          body.z + sign * body.halfDepth * Math.sin(body.angle),
          body.y + sign * body.halfDepth * Math.cos(body.angle),
        ])
        .reverse()
        .filter(([z], i, all) => i === 0 || z > all[i - 1]![0] + 1),
    );
  const frontWall = walls(-1);
  const backWall = walls(1);
  const size = spine.size;
  const fat = 12 * Math.exp(random.bounded(0, 0.55));
  const buttock = fat * random.uniform(1.3, 2.2);
  const heights = [-130, -95, -55, 0, 60, 130];
  const muscle = [12, 22, 46, 56, 52, 48].map((mm) => mm * size * random.bounded(1, 0.04));
  const spacing = [...heights.keys()];
  const smoothed = heights.map((z) => (backWall(z - 25) + backWall(z) + backWall(z + 25)) / 3);
  const fascia = smoothFunction(spacing.map((i) => [heights[i]!, smoothed[i]! + 14 + muscle[i]!]));
  const fatAt = smoothFunction([
    [-140, buttock],
    [-60, (fat + buttock) / 2],
    [40, fat],
    [140, fat * 0.7],
  ]);
  const girth = random.bounded(125, 18) + fat;
  return {
    frontWall,
    backWall,
    fascia,
    skin: (z) => fascia(z) + fatAt(z),
    belly: (z) => -girth + 12 * ((z + 20) / 120) ** 2,
    muscleFat: Math.min(0.75, 0.12 + 0.3 * random.uniform() + 0.25 * random.uniform() ** 2),
    bellyFat: random.uniform(0.3, 0.7),
    vessels: [
      { x: random.bounded(11, 3), radius: random.uniform(7.5, 10), gap: random.uniform(3, 6) },
      { x: random.bounded(-13, 3), radius: random.uniform(8, 11), gap: random.uniform(2, 5) },
    ],
  };
}

/** The whole plane except bones and canal. `x` is its distance to the left, `lateral` from the midline at L3. */
export function softTissue(
  habitus: Habitus,
  signals: Signals,
  texture: Texture,
  grid: Grid,
  x: number,
  shift: number,
): Shape {
  const rows = Array.from({ length: grid.rows }, (_, row) => {
    const z = grid.z0 - row * grid.step;
    return {
      skin: habitus.skin(z) + 0.6 * texture.at(z * 0.1, shift),
      fascia: habitus.fascia(z),
      front: habitus.frontWall(z),
      back: habitus.backWall(z),
      belly: habitus.belly(z),
    };
  });
  const side = Math.abs(x);
  const midline = 1 - smoothStep(2.5, 6, side);
  const streaked = habitus.muscleFat + 0.3 * midline;
  const organs = organSignal(habitus, signals, texture, shift);
  return {
    frame: PATIENT,
    box: everything(grid),
    depth(y, z) {
      const row = rows[rowAt(grid, z)]!;
      return Math.min(row.skin - y, y - row.belly);
    },
    signal(y, z, depth) {
      const row = rows[rowAt(grid, z)]!;
      const skinLayer = 1 - smoothStep(1, 2.2, depth);
      let value: number;
      if (y > row.fascia) {
        const septum = bell((texture.at(y * 0.12 + 3 + shift, z * 0.035 + y * 0.03) - 0.2) / 0.09);
        value = signals.fat * (1 + 0.03 * texture.at(y * 0.3, z * 0.3)) * (1 - 0.35 * septum);
        value += (signals.ligament - value) * 0.8 * bell((y - row.fascia - 0.8) / 0.8);
      } else if (y > row.back) {
        value = muscleSignal(y, z, row.fascia, row.back);
      } else {
        value = organs(y, z, row.front, row.belly);
      }
      return value + (signals.skin - value) * skinLayer;
    },
  };

  function muscleSignal(y: number, z: number, fascia: number, back: number): number {
    const deep = (y - back) / Math.max(1, fascia - back);
    const low = smoothStep(20, -70, z);
    const lean = 0.35 * deep;
    const bent = y + lean * z + 2.5 * texture.at(y * 0.06 + 9, z * 0.04 + shift);
    const fibre = texture.at(bent * 0.6 + shift, (z - lean * y) * 0.1);
    const clump = texture.at(bent * 0.18 + shift + 40, z * 0.07);
    const fat = smoothStep(1.1, 3.5, fibre * 0.9 + 0.6 * clump + 2.2 * streaked + 0.8 * low * (1.2 - deep));
    const fine = 1 + 0.3 * texture.at((y + lean * z) * 0.8, z * 0.15 + shift);
    return signals.muscle * 1.6 * fine * (1 - fat) + signals.fat * Math.max(0.3, 0.66 + 0.14 * clump) * fat;
  }
}

function organSignal(habitus: Habitus, signals: Signals, texture: Texture, shift: number) {
  return (y: number, z: number, front: number, belly: number): number => {
    const warpY = y + 6 * texture.at(y * 0.08, z * 0.08 + shift);
    const warpZ = z + 6 * texture.at(y * 0.08 + 80, z * 0.08 + shift);
    const loops =
      texture.at(warpY * 0.085 + shift, warpZ * 0.07) + 0.35 * texture.at(warpY * 0.2, warpZ * 0.2 + shift);
    const content = texture.at(warpY * 0.07 + 50, warpZ * 0.06 + shift);
    const distance = front - y;
    const near = smoothStep(6, 26, distance);
    const bowel = smoothStep(-0.1, 0.15, loops + 0.9 - 1.8 * habitus.bellyFat - (1 - near) * 2.5);
    const wall = bell((loops - 0.75) / 0.16) * near;
    const gas = smoothStep(1.1, 1.35, content + 0.3 * loops) * near;
    const folds =
      1 + 0.22 * texture.at(warpY * 0.3, warpZ * 0.22 + shift) + 0.18 * texture.at(y * 0.7, z * 0.5);
    const strands = bell(texture.at(warpY * 0.14 + 20, warpZ * 0.1) / 0.16);
    let value = signals.fat * (0.8 + 0.1 * texture.at(y * 0.25, z * 0.25 + 7)) * (1 - 0.2 * strands);
    value += bowel * (signals.bowel * 1.3 * folds - value);
    value *= 1 - 0.2 * wall;
    value *= 1 - 0.88 * gas;
    const abdominalWall = y - belly;
    if (abdominalWall < 34) {
      const muscle = bell((abdominalWall - 26) / 5);
      const fat = 1 - smoothStep(17, 21, abdominalWall);
      value += fat * (signals.fat - value);
      value += muscle * (signals.muscle * 1.3 - value);
    }
    return value;
  };
}

/** Aorta and vena cava as dark tubes (flow void) in front of the bodies, where this plane cuts them. */
export function vesselShapes(
  habitus: Habitus,
  signals: Signals,
  spine: Spine,
  texture: Texture,
  x: number,
  grid: Grid,
): Shape[] {
  const end = spine.vertebrae.find((body) => body.name === 'L4')!.z - 8;
  const front = Array.from({ length: grid.rows }, (_, row) => {
    const z = grid.z0 - row * grid.step;
    return (habitus.frontWall(z - 14) + habitus.frontWall(z) + habitus.frontWall(z + 14)) / 3;
  });
  return habitus.vessels.flatMap((vessel): Shape[] => {
    const chord = 1 - ((x - vessel.x) / vessel.radius) ** 2;
    if (chord <= 0.02) return [];
    const half = vessel.radius * Math.sqrt(chord);
    return [
      {
        frame: PATIENT,
        box: { ...everything(grid), qMin: end - 30 },
        depth(y, z) {
          const wall = front[rowAt(grid, z)]! - vessel.gap - vessel.radius;
          const centre = wall - 0.6 * texture.at(z * 0.06, vessel.x);
          return half * smoothStep(end - 26, end, z) - Math.abs(y - centre);
        },
        signal: (_y, _z, depth) => signals.blood * (1 + 0.9 * smoothStep(1.6, 0, depth)),
      },
    ];
  });
}

/** The patient's own axes: p is y, q is z. */
const PATIENT = { y: 0, z: 0, angle: 0 };

function everything(grid: Grid): Box {
  return {
    pMin: grid.y0,
    pMax: grid.y0 + grid.columns * grid.step,
    qMin: grid.z0 - grid.rows * grid.step,
    qMax: grid.z0,
  };
}

function rowAt(grid: Grid, z: number): number {
  return Math.max(0, Math.min(grid.rows - 1, Math.round((grid.z0 - z) / grid.step)));
}
