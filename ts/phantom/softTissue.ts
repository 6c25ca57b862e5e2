/**
 * What lies around the spine in one sagittal plane: abdomen with bowel and vessels in front, then the muscles of
 * the back with their fat, the fascia, the fat under the skin, and air. Drawn first; bones and canal go on top.
 */

import type { RandomStream } from '../random.js';
import { bell, type Canvas, type Grid, type Shape, smoothStep } from './canvas.js';
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

/** How much nearer the fascia lies to the spine in the midline than over the muscles beside it, mm. */
const FURROW = 15;

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

/** Paints the whole plane except bones and canal onto an empty canvas, `x` mm to the left of the midline. */
export function paintSoftTissue(
  canvas: Canvas,
  habitus: Habitus,
  signals: Signals,
  texture: Texture,
  x: number,
  shift: number,
): void {
  const { columns, rows, y0, z0, step } = canvas.grid;
  const midline = 1 - smoothStep(2.5, 7, Math.abs(x));
  const organs = organSignal(habitus, signals, texture, shift);
  for (let row = 0; row < rows; row++) {
    const z = z0 - row * step;
    const skin = habitus.skin(z) + 0.6 * texture.at(z * 0.1, shift);
    const fascia = habitus.fascia(z) - FURROW * midline;
    const front = habitus.frontWall(z);
    const back = habitus.backWall(z);
    const belly = habitus.belly(z);
    for (let column = 0; column < columns; column++) {
      const y = y0 + column * step;
      const depth = Math.min(skin - y, y - belly);
      const cover = Math.min(1, depth / step + 0.5);
      if (cover <= 0) continue;
      let value: number;
      if (y > fascia) value = fatSignal(y, z, fascia);
      else if (y > back) value = muscleSignal(y, z, fascia, back);
      else value = organs(y, z, front, belly);
      value += (signals.skin - value) * (1 - smoothStep(1, 2.2, depth));
      canvas.values[row * columns + column] = cover * value;
    }
  }

  /** Fat under the skin, with thin septa, on the dark fascia. */
  function fatSignal(y: number, z: number, fascia: number): number {
    const septum = bell((texture.at(y * 0.025 + shift, z * 0.11 + y * 0.05) - 0.2) / 0.05);
    const value = signals.fat * (1 + 0.05 * texture.at(y * 0.3, z * 0.3)) * (1 - 0.2 * septum);
    return value + (signals.ligament - value) * 0.8 * bell((y - fascia - 0.8) / 0.8);
  }

  /** Muscle fibres run along the back with fat between them; in the midline ligaments run from spine to spine. */
  function muscleSignal(y: number, z: number, fascia: number, back: number): number {
    const deep = (y - back) / Math.max(1, fascia - back);
    const low = smoothStep(20, -70, z);
    const lean = 0.08 + 0.2 * deep;
    const bent = y + lean * z + 3 * texture.at(y * 0.05 + 9, z * 0.03 + shift);
    const fibre = texture.at(bent * 0.75 + shift, z * 0.05);
    const clump = texture.at(bent * 0.16 + shift + 40, z * 0.05);
    const fine = 1 + 0.22 * texture.at(bent * 1.2, z * 0.08 + shift);
    const fat = smoothStep(
      0.8,
      3.6,
      0.9 * fibre + 0.7 * clump + 2.2 * habitus.muscleFat + 0.9 * low * (1.2 - deep),
    );
    const muscle = signals.muscle * 1.6 * fine;
    let value = muscle + (signals.fat * Math.max(0.3, 0.58 + 0.12 * clump) - muscle) * fat;
    if (midline > 0) {
      const strand = texture.at(y * 0.3 + shift, z * 0.3) + 0.8 * texture.at((y - z) * 0.5, (y + z) * 0.1);
      const between = 0.2 + 0.5 * smoothStep(-3, 3.5, strand + 1.6 * (habitus.muscleFat - 0.3));
      value += midline * (signals.fat * between - value);
    }
    return value;
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
    const bowel = smoothStep(-0.45, 0.6, loops + 0.9 - 1.8 * habitus.bellyFat - (1 - near) * 2.5);
    const wall = bell((loops - 0.75) / 0.16) * near;
    const gas = smoothStep(1.1, 1.35, content + 0.3 * loops) * near;
    const folds = 1 + 0.16 * texture.at(warpY * 0.35, warpZ * 0.25 + shift);
    const strands = bell(texture.at(warpY * 0.14 + 20, warpZ * 0.1) / 0.16);
    let value = signals.fat * (0.8 + 0.1 * content) * (1 - 0.12 * strands);
    value += bowel * (signals.bowel * (1.5 + 0.4 * content) * folds - value);
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
  const heights = Array.from({ length: grid.rows }, (_, row) => grid.z0 - row * grid.step);
  const front = heights.map(
    (z) => (habitus.frontWall(z - 14) + habitus.frontWall(z) + habitus.frontWall(z + 14)) / 3,
  );
  return habitus.vessels.flatMap((vessel): Shape[] => {
    const chord = 1 - ((x - vessel.x) / vessel.radius) ** 2;
    if (chord <= 0.02) return [];
    const rows = heights.map((z, i) => ({
      centre: front[i]! - vessel.gap - vessel.radius - 0.6 * texture.at(z * 0.06, vessel.x),
      half: vessel.radius * Math.sqrt(chord * smoothStep(end - 20, end, z)),
    }));
    return [
      {
        frame: PATIENT,
        box: {
          pMin: Math.min(...rows.map((row) => row.centre - row.half)),
          pMax: Math.max(...rows.map((row) => row.centre + row.half)),
          qMin: end - 20,
          qMax: grid.z0,
        },
        depth(y, z) {
          const { centre, half } = rows[Math.max(0, Math.round((grid.z0 - z) / grid.step))]!;
          return half - Math.abs(y - centre);
        },
        signal: (_y, _z, depth) => signals.blood * (1 + 0.9 * smoothStep(1.6, 0, depth)),
      },
    ];
  });
}

/** The patient's own axes: p is y, q is z. */
const PATIENT = { y: 0, z: 0, angle: 0 };
