/**
 * The axial T2 series of a study: a slab of slices per lumbar disc, tilted with the disc as a technologist does. A
 * column of the image is a line in a sagittal plane, so that bones, canal and foramina are those of the sagittal
 * series. The canvas has the lines as its rows; the stored image is its transpose.
 */
import type { Level } from '../anatomy.js';
import { LEVELS } from '../anatomy.js';
import { RandomStream } from '../random.js';
import { type Acquisition, acquiredGrid, drawNoise } from './acquisition.js';
import { axialTissue } from './axialTissue.js';
import { archShape, type BoneLook, bodyShape, discShape, foramenRoot } from './bones.js';
import type { CanalPoint } from './canal.js';
import { Canvas, type Frame, type Shape, smoothStep } from './canvas.js';
import { drawLook } from './painter.js';
import { acquire } from './scanner.js';
import { tissueSignals } from './sequence.js';
import { drawHabitus, type Habitus } from './softTissue.js';
import type { Disc } from './spine.js';
import { noiseStream, type PhantomStudy, PURPOSE, THROUGH_PLANE } from './study.js';
import { canalSample, foramenSample } from './zones.js';

/** Slices per disc. */
const SLAB = 3;

/** Maximum tilt of a slab, radians. Scanners allow more; technologists rarely use it. */
const MAX_TILT = 0.5;

/** Anatomy farther than this from a plane is not painted, mm. */
const NEAR = 32;

/** An axial slice: its origin in the midline and its axes. The p axis is the column direction of the image. */
export interface AxialPlane extends Frame {
  readonly level: Level;
  readonly disc: Disc;
}

export interface AxialStudy extends PhantomStudy {
  /** From cranial to caudal; the order of the instance numbers. */
  readonly planes: readonly AxialPlane[];
}

/** The axial T2 series of a study. In its acquisition, columns run posteriorly, rows to the patient's right. */
export function axialT2(study: PhantomStudy): AxialStudy {
  const random = new RandomStream(study.seed, study.index, PURPOSE.series, 2);
  const size = random.pick([320, 384, 448, 512]);
  const spacing = Number((random.uniform(160, 200) / size).toFixed(5));
  const sliceThickness = Number(random.uniform(3, 4).toFixed(1));
  const sliceSpacing = Number((sliceThickness * random.uniform(1, 1.2)).toFixed(2));
  const fieldOfView = size * spacing;
  const acquisition: Acquisition = {
    ...study.acquisition,
    repetitionTime: Math.round(random.uniform(3000, 6000)),
    echoTime: Math.round(random.uniform(90, 120)),
    suppression: 'none',
    sliceThickness,
    sliceSpacing,
    columns: size,
    rows: size,
    spacing,
    acquired: Math.max(spacing, random.uniform(0.6, 0.8)),
    y0: Number((-fieldOfView * random.uniform(0.4, 0.48)).toFixed(3)),
    z0: Number((fieldOfView / 2 + random.bounded(0, 4)).toFixed(3)),
    obliquity: 0,
    mirrored: false,
    slicePositions: [],
    noise: drawNoise(random, study.acquisition),
    gain: random.uniform(350, 1600),
  };
  const planes = LEVELS.flatMap((level) => {
    const disc = study.spine.discs.find((each) => each.level === level)!;
    const angle = Math.max(-MAX_TILT, Math.min(MAX_TILT, disc.angle + random.bounded(0, 0.03)));
    return Array.from({ length: SLAB }, (_, k) => {
      const q = ((SLAB - 1) / 2 - k) * sliceSpacing;
      return { level, disc, angle, y: disc.y - q * Math.sin(angle), z: disc.z + q * Math.cos(angle) };
    });
  });
  const signals = tissueSignals(acquisition);
  return { ...study, series: 'Axial T2', acquisition, signals, planes };
}

/** Renders the axial slices of one study. */
export class AxialPainter {
  readonly #study: AxialStudy;
  readonly #habitus: Habitus;
  readonly #look: BoneLook;

  constructor(study: AxialStudy) {
    const random = new RandomStream(study.seed, study.index, PURPOSE.look, 1);
    this.#study = study;
    this.#habitus = drawHabitus(random, study.spine);
    this.#look = { ...drawLook(random, study), boneShift: (u) => u * 0.9, discShift: (u) => u * 0.7 };
  }

  /** Stored pixels of the slice with index `slice`, row-major uint16. */
  pixels(slice: number): Uint16Array {
    const study = this.#study;
    const { y, z } = study.planes[slice]!;
    const anterior = this.#habitus.anteriorWall(z) - y;
    const skin = this.#habitus.skin(z) - y;
    const surroundings = { anteriorWall: () => anterior, skin: () => skin };
    const lines = acquire(
      this.#ideal(slice),
      study.acquisition,
      surroundings,
      study.texture,
      study.signals[study.brightest],
      noiseStream(study, slice),
    );
    const { columns, rows } = study.acquisition;
    const pixels = new Uint16Array(lines.length);
    for (let row = 0; row < columns; row++) {
      for (let column = 0; column < rows; column++) {
        pixels[row * rows + column] = lines[(rows - 1 - column) * columns + row]!;
      }
    }
    return pixels;
  }

  /** The slice without scanner effects, line by line. */
  #ideal(slice: number): Canvas {
    const { spine, signals, texture, acquisition } = this.#study;
    const plane = this.#study.planes[slice]!;
    const canvas = new Canvas(acquiredGrid(acquisition));
    const { columns, rows, y0, z0, step } = canvas.grid;
    const tissue = axialTissue(this.#habitus, signals, texture, plane.disc, slice * 19);
    const layers = THROUGH_PLANE.map((fraction) => this.#layer(plane, fraction, y0, step, columns));
    const line = new Float32Array(columns);
    for (let row = 0; row < rows; row++) {
      const x = z0 - row * step;
      for (let column = 0; column < columns; column++) {
        const { y, z } = pointAt(plane, y0 + column * step, 0);
        line[column] = tissue(x - spine.midline(z), y, z);
      }
      for (const layer of layers) {
        layer.canvas.values.set(line);
        this.#paint(layer, x);
        for (let column = 0; column < columns; column++) {
          canvas.values[row * columns + column]! += layer.canvas.values[column]! / layers.length;
        }
      }
    }
    return canvas;
  }

  /** One depth of the slice thickness: a canvas of a single line, and where its points are along the canal. */
  #layer(plane: AxialPlane, fraction: number, y0: number, step: number, columns: number): Layer {
    const { spine, acquisition } = this.#study;
    const q = fraction * acquisition.sliceThickness;
    const canalPixels: CanalPixel[] = [];
    for (let index = 0; index < columns; index++) {
      const { y, z } = pointAt(plane, y0 + index * step, q);
      spine.wall.locate(y, z, spine.wall.sAtHeight(z));
      const { s, t } = spine.wall;
      if (t < -2 || t > 28 || s <= 0 || s >= spine.wall.length) continue;
      canalPixels.push({ index, s, t, z });
    }
    const canvas = new Canvas({ columns, rows: 1, y0, z0: q, step });
    return { plane, canvas, canalPixels };
  }

  /** Paints discs, bodies, foramina, arches and canal on the line at x, in the order of the sagittal slices. */
  #paint({ plane, canvas, canalPixels }: Layer, x: number): void {
    const study = this.#study;
    const { spine, lateral } = study;
    const look = this.#look;
    const near = ({ y, z }: Frame) =>
      Math.abs((z - plane.z) * Math.cos(plane.angle) - (y - plane.y) * Math.sin(plane.angle)) < NEAR;
    const paint = (shape: Shape | null) => {
      if (shape !== null) canvas.paint({ ...shape, frame: relativeTo(plane, shape.frame) });
    };
    const bodies = spine.vertebrae.filter(near);
    for (const disc of spine.discs.filter(near)) paint(discShape(disc, x - spine.midline(disc.z), look));
    for (const body of bodies) paint(bodyShape(body, spine, x - spine.midline(body.z), look));
    for (const { index, s, t, z } of canalPixels) {
      const { coverage, signal } = foramenSample(study, s, t, x - spine.midline(z));
      if (coverage > 0) canvas.values[index]! += coverage * (signal - canvas.values[index]!);
    }
    for (const body of bodies) {
      const u = x - spine.midline(body.z);
      const level = LEVELS.findIndex((name) => name.startsWith(body.name));
      if (level >= 0) paint(foramenRoot(body, u, look, lateral?.foramenNarrowing(level, u) ?? 0));
    }
    for (const body of bodies) paint(archShape(body, x - spine.midline(body.z), look));
    const point: CanalPoint = { inside: false, signal: 0, csf: 0 };
    for (const { index, s, t, z } of canalPixels) {
      canalSample(study, s, t, x - spine.midline(z), point);
      if (!point.inside) continue;
      canvas.values[index]! += smoothStep(-1, 0.3, t) * (point.signal - canvas.values[index]!);
    }
  }
}

interface Layer {
  readonly plane: AxialPlane;
  readonly canvas: Canvas;
  readonly canalPixels: readonly CanalPixel[];
}

/** A sample of a line near the canal: its coordinates on the posterior wall, and its height. */
interface CanalPixel {
  readonly index: number;
  readonly s: number;
  readonly t: number;
  readonly z: number;
}

/** The patient point at (p, q) of a frame. */
export function pointAt({ y, z, angle }: Frame, p: number, q: number): { y: number; z: number } {
  const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
  return { y: y + p * cos - q * sin, z: z + p * sin + q * cos };
}

/** A frame in the coordinates of another one. */
export function relativeTo(origin: Frame, { y, z, angle }: Frame): Frame {
  const [cos, sin] = [Math.cos(origin.angle), Math.sin(origin.angle)];
  const [dy, dz] = [y - origin.y, z - origin.z];
  return { y: dy * cos + dz * sin, z: dz * cos - dy * sin, angle: angle - origin.angle };
}
