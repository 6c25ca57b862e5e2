/** One synthetic patient: anatomy, scanner and look, drawn from (seed, index); and its slices, painted. */
import { archShape, type BoneLook, bodyShape, discShape, foramenRoot } from './bones.js';
import { Canal, type CanalPoint } from './canal.js';
import { Canvas, type Grid, type Shape, smoothStep } from './canvas.js';
import { drawOcclusion, type Prevalence } from './prevalence.js';
import { RandomStream } from './random.js';
import { type Acquisition, acquire, acquiredGrid, drawAcquisition } from './scanner.js';
import { drawHabitus, type Habitus, softTissue, vesselShapes } from './softTissue.js';
import { drawSpine, type Spine } from './spine.js';
import { Texture } from './texture.js';
import { type Signals, tissueSignals } from './tissue.js';

/** Each purpose has its own stream, so that a change of one leaves the others' numbers as they were. */
export const PURPOSE = {
  grades: 1,
  anatomy: 2,
  scanner: 3,
  noise: 4,
  reader: 5,
  identity: 6,
  look: 7,
} as const;

export interface PhantomStudy {
  readonly seed: number;
  readonly index: number;
  readonly spine: Spine;
  readonly canal: Canal;
  readonly acquisition: Acquisition;
  readonly signals: Signals;
  readonly texture: Texture;
}

/** Where in a slice's thickness the anatomy is sampled, as shares of it. */
export const THROUGH_PLANE = [-1 / 3, 0, 1 / 3];

export function drawStudy(seed: number, index: number, prevalence: Prevalence, slices: number): PhantomStudy {
  const anatomy = new RandomStream(seed, index, PURPOSE.anatomy);
  const occlusion = drawOcclusion(new RandomStream(seed, index, PURPOSE.grades), prevalence);
  const spine = drawSpine(anatomy, occlusion);
  const texture = new Texture(new RandomStream(seed, index, PURPOSE.look));
  const canal = new Canal(anatomy, spine, occlusion, texture);
  const acquisition = drawAcquisition(new RandomStream(seed, index, PURPOSE.scanner), slices);
  const signals = tissueSignals(acquisition.repetitionTime, acquisition.echoTime);
  return { seed, index, spine, canal, acquisition, signals, texture };
}

/** x in the patient at in-plane distance `y` from the middle of slice `slice`; the body is drawn in in-plane y. */
export function xInSlice(acquisition: Acquisition, slice: number, y: number): number {
  return acquisition.slicePositions[slice]! + y * Math.sin(acquisition.obliquity);
}

/** Paints slices one after the other; what they share is worked out once. */
export class Painter {
  readonly #study: PhantomStudy;
  readonly #habitus: Habitus;
  readonly #look: BoneLook;
  readonly #grid: Grid;
  /** s and t of every pixel near the canal; NaN elsewhere. */
  readonly #s: Float32Array;
  readonly #t: Float32Array;

  constructor(study: PhantomStudy) {
    const random = new RandomStream(study.seed, study.index, PURPOSE.look, 1);
    this.#study = study;
    this.#habitus = drawHabitus(random, study.spine);
    this.#look = {
      signals: study.signals,
      repetitionTime: study.acquisition.repetitionTime,
      echoTime: study.acquisition.echoTime,
      texture: study.texture,
      marrowFat: random.uniform(),
      mottle: random.uniform(0.6, 1.5),
    };
    this.#grid = acquiredGrid(study.acquisition);
    const count = this.#grid.columns * this.#grid.rows;
    this.#s = new Float32Array(count).fill(Number.NaN);
    this.#t = new Float32Array(count).fill(Number.NaN);
    this.#locateCanal();
  }

  /** Stored pixels (row-major uint16) of slice number `slice`, counted from 0. */
  pixels(slice: number): Uint16Array {
    const { seed, index, acquisition, texture, signals } = this.#study;
    const random = new RandomStream(seed, index, PURPOSE.noise, slice);
    return acquire(this.perfect(slice), acquisition, this.#habitus, texture, signals.csf, random);
  }

  /** The slice before the scanner spoils it: signal averaged through its thickness. */
  perfect(slice: number): Canvas {
    const { acquisition, signals, texture, spine } = this.#study;
    const x = acquisition.slicePositions[slice]!;
    const base = new Canvas(this.#grid);
    base.paint(softTissue(this.#habitus, signals, texture, this.#grid, x - spine.midline(0), slice * 19));
    const sum = new Canvas(this.#grid);
    const layer = new Canvas(this.#grid);
    for (const part of THROUGH_PLANE) {
      layer.values.set(base.values);
      const offset = x + part * acquisition.sliceThickness;
      for (const shape of this.#shapes(offset)) layer.paint(shape);
      this.#paintCanal(layer, offset, part * this.#grid.step);
      for (const shape of this.#archAndRoots(offset)) layer.paint(shape);
      for (let i = 0; i < sum.values.length; i++) sum.values[i]! += layer.values[i]! / THROUGH_PLANE.length;
    }
    return sum;
  }

  #beside(y: number, z: number, x: number): number {
    return x + y * Math.sin(this.#study.acquisition.obliquity) - this.#study.spine.midline(z);
  }

  #shapes(x: number): Shape[] {
    const { spine, signals, texture } = this.#study;
    const discs = spine.discs.map((disc) => discShape(disc, this.#beside(disc.y, disc.z, x), this.#look));
    const bodies = spine.vertebrae.map((body) =>
      bodyShape(body, spine, this.#beside(body.y, body.z, x), this.#look),
    );
    const vessels = vesselShapes(this.#habitus, signals, spine, texture, x, this.#grid);
    return [...vessels, ...discs, ...bodies].filter((shape) => shape !== null);
  }

  #archAndRoots(x: number): Shape[] {
    const { vertebrae } = this.#study.spine;
    const roots = vertebrae
      .filter((body) => body.name.startsWith('L'))
      .map((body) => foramenRoot(body, this.#beside(body.y, body.z, x), this.#look));
    const arches = vertebrae.map((body) => archShape(body, this.#beside(body.y, body.z, x), this.#look));
    return [...roots, ...arches].filter((shape) => shape !== null);
  }

  #locateCanal(): void {
    const { wall } = this.#study.spine;
    const { columns, rows, y0, z0, step } = this.#grid;
    for (let row = 0; row < rows; row++) {
      const z = z0 - row * step;
      const guess = wall.sAtHeight(z);
      const [wallY] = wall.point(guess, 0);
      const first = Math.max(0, Math.floor((wallY - 8 - y0) / step));
      const last = Math.min(columns - 1, Math.ceil((wallY + 42 - y0) / step));
      for (let column = first; column <= last; column++) {
        wall.locate(y0 + column * step, z, guess);
        if (wall.t < -2 || wall.t > 28 || wall.s <= 0 || wall.s >= wall.length) continue;
        this.#s[row * columns + column] = wall.s;
        this.#t[row * columns + column] = wall.t;
      }
    }
  }

  /** `dither` shifts the samples along t a little, so that averaging the layers also smooths thin edges. */
  #paintCanal(layer: Canvas, x: number, dither: number): void {
    const { canal, signals, texture } = this.#study;
    const { columns, rows, y0, z0, step } = this.#grid;
    const point: CanalPoint = { inside: false, signal: 0, csf: 0 };
    for (let row = 0; row < rows; row++) {
      const z = z0 - row * step;
      for (let column = 0; column < columns; column++) {
        const i = row * columns + column;
        const t = this.#t[i]! + dither;
        if (Number.isNaN(t)) continue;
        const u = this.#beside(y0 + column * step, z, x);
        canal.look(this.#s[i]!, t, u, signals, point);
        if (point.inside) layer.values[i]! += smoothStep(-1, 0.3, t) * (point.signal - layer.values[i]!);
        else if (Math.abs(u) > 10 && Math.abs(u) < 22 && t > 0 && t < 15) {
          const fat = signals.fat * (0.78 + 0.12 * texture.at((y0 + column * step) * 0.5, z * 0.4));
          const cover =
            smoothStep(10, 12, Math.abs(u)) *
            smoothStep(22, 18, Math.abs(u)) *
            smoothStep(0, 1.2, Math.min(t, 15 - t));
          layer.values[i]! += cover * (fat - layer.values[i]!);
        }
      }
    }
  }
}
