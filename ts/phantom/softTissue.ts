/**
 * Soft tissue in one sagittal plane: anterior to the spine, the abdomen with bowel and vessels; posterior to it, the
 * paraspinal muscles with fat, the fascia, subcutaneous fat and skin. Painted first; bones and canal are painted over
 * it.
 */

import type { RandomStream } from '../random.js';
import { bell, type Canvas, type Grid, type Shape, smoothStep } from './canvas.js';
import { smoothFunction } from './curve.js';
import type { Spine } from './spine.js';
import type { Texture } from './texture.js';
import type { Signals } from './tissue.js';

/** Body habitus of one patient: surfaces as functions of z, in mm. */
export interface Habitus {
  /** y of the skin of the back, of the fascia below its fat, and of the skin of the belly. */
  readonly skin: (z: number) => number;
  readonly fascia: (z: number) => number;
  readonly belly: (z: number) => number;
  /** y of the anterior and posterior wall of the vertebral bodies. */
  readonly anteriorWall: (z: number) => number;
  readonly posteriorWall: (z: number) => number;
  /** Fat fraction of the paraspinal muscles, 0 to 1. */
  readonly muscleFat: number;
  /** Fat fraction of the abdomen, 0 to 1. */
  readonly bellyFat: number;
  /** Aorta and vena cava: x of the axis (to the left), radius, and gap to the bodies, mm. */
  readonly vessels: readonly { readonly x: number; readonly radius: number; readonly gap: number }[];
}

/** Depth of the midline furrow of the fascia between the paraspinal muscles, mm. */
const FURROW = 15;

/** Draws the habitus of a patient. */
export function drawHabitus(random: RandomStream, spine: Spine): Habitus {
  const walls = (sign: number) =>
    smoothFunction(
      spine.vertebrae
        .map((body): [number, number] => [
          body.z + sign * body.halfDepth * Math.sin(body.angle),
          body.y + sign * body.halfDepth * Math.cos(body.angle),
        ])
        .reverse()
        .filter(([z], i, points) => i === 0 || z > points[i - 1]![0] + 1),
    );
  const anteriorWall = walls(-1);
  const posteriorWall = walls(1);
  const size = spine.size;
  const fat = 12 * Math.exp(random.bounded(0, 0.55));
  const buttock = fat * random.uniform(1.3, 2.2);
  const heights = [-130, -95, -55, 0, 60, 130];
  const muscle = [12, 22, 46, 56, 52, 48].map((mm) => mm * size * random.bounded(1, 0.04));
  const smoothed = heights.map((z) => (posteriorWall(z - 25) + posteriorWall(z) + posteriorWall(z + 25)) / 3);
  const fascia = smoothFunction(heights.map((z, i) => [z, smoothed[i]! + 14 + muscle[i]!]));
  const fatAt = smoothFunction([
    [-140, buttock],
    [-60, (fat + buttock) / 2],
    [40, fat],
    [140, fat * 0.7],
  ]);
  const girth = random.bounded(125, 18) + fat;
  return {
    anteriorWall,
    posteriorWall,
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

/**
 * Paints the soft tissue of the plane at `x` mm left of the midline.
 *
 * @param canvas empty
 * @param shift offset of the textures, so that slices differ
 */
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
    const anterior = habitus.anteriorWall(z);
    const posterior = habitus.posteriorWall(z);
    const belly = habitus.belly(z);
    for (let column = 0; column < columns; column++) {
      const y = y0 + column * step;
      const depth = Math.min(skin - y, y - belly);
      const coverage = Math.min(1, depth / step + 0.5);
      if (coverage <= 0) continue;
      let value: number;
      if (y > fascia) value = fatSignal(y, z, fascia);
      else if (y > posterior) value = muscleSignal(y, z, fascia, posterior);
      else value = organs(y, z, anterior, belly);
      value += (signals.skin - value) * (1 - smoothStep(1, 2.2, depth));
      canvas.values[row * columns + column] = coverage * value;
    }
  }

  /** Subcutaneous fat with thin septa, and the dark fascia below it. */
  function fatSignal(y: number, z: number, fascia: number): number {
    const septum = bell((texture.at(y * 0.025 + shift, z * 0.11 + y * 0.05) - 0.2) / 0.05);
    const value = signals.fat * (1 + 0.05 * texture.at(y * 0.3, z * 0.3)) * (1 - 0.2 * septum);
    return value + (signals.ligament - value) * 0.8 * bell((y - fascia - 0.8) / 0.8);
  }

  /** Paraspinal muscle fibres with fat between them; in the midline, the interspinous ligaments. */
  function muscleSignal(y: number, z: number, fascia: number, posterior: number): number {
    const deep = (y - posterior) / Math.max(1, fascia - posterior);
    const low = smoothStep(20, -70, z);
    const tilt = 0.08 + 0.2 * deep;
    const bent = y + tilt * z + 3 * texture.at(y * 0.05 + 9, z * 0.03 + shift);
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

/** Signal of the abdomen: bowel with content and gas, fat, and the abdominal wall. */
export function organSignal(habitus: Habitus, signals: Signals, texture: Texture, shift: number) {
  return (y: number, z: number, anterior: number, belly: number): number => {
    const warpY = y + 6 * texture.at(y * 0.08, z * 0.08 + shift);
    const warpZ = z + 6 * texture.at(y * 0.08 + 80, z * 0.08 + shift);
    const loops =
      texture.at(warpY * 0.085 + shift, warpZ * 0.07) + 0.35 * texture.at(warpY * 0.2, warpZ * 0.2 + shift);
    const content = texture.at(warpY * 0.07 + 50, warpZ * 0.06 + shift);
    const distance = anterior - y;
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

/** Aorta and vena cava where they cross this plane, anterior to the bodies, as dark tubes (flow void). */
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
  const anterior = heights.map(
    (z) => (habitus.anteriorWall(z - 14) + habitus.anteriorWall(z) + habitus.anteriorWall(z + 14)) / 3,
  );
  return habitus.vessels.flatMap((vessel): Shape[] => {
    const chord = 1 - ((x - vessel.x) / vessel.radius) ** 2;
    if (chord <= 0.02) return [];
    const rows = heights.map((z, i) => ({
      centre: anterior[i]! - vessel.gap - vessel.radius - 0.6 * texture.at(z * 0.06, vessel.x),
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

/** The patient axes: p is y, q is z. */
const PATIENT = { y: 0, z: 0, angle: 0 };
