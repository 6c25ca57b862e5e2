/**
 * Renders the slices of a study: paints the tissues at several depths of a slice, averages them and simulates the
 * scanner.
 */

import { RandomStream } from '../random.js';
import { acquiredGrid } from './acquisition.js';
import { archShape, type BoneLook, bodyShape, discShape, foramenRoot } from './bones.js';
import type { CanalPoint } from './canal.js';
import { Canvas, type Grid, type Shape, smoothStep } from './canvas.js';
import { acquire } from './scanner.js';
import { signalOf } from './sequence.js';
import { drawHabitus, type Habitus, paintSoftTissue, vesselShapes } from './softTissue.js';
import { noiseStream, type PhantomStudy, PURPOSE, THROUGH_PLANE } from './study.js';
import { canalSample, foramenSample } from './zones.js';

/** Renders slices of one study. */
export class Painter {
  readonly #study: PhantomStudy;
  readonly #habitus: Habitus;
  readonly #look: BoneLook;
  readonly #grid: Grid;
  readonly #canalPixels: readonly CanalPixel[];

  constructor(study: PhantomStudy) {
    const random = new RandomStream(study.seed, study.index, PURPOSE.look, 1);
    this.#study = study;
    this.#habitus = drawHabitus(random, study.spine);
    this.#look = drawLook(random, study);
    this.#grid = acquiredGrid(study.acquisition);
    this.#canalPixels = locateCanal(study, this.#grid);
  }

  /** Stored pixels of the slice with index `slice`, row-major uint16. */
  pixels(slice: number): Uint16Array {
    const { acquisition, texture } = this.#study;
    const reference = this.#study.signals[this.#study.brightest];
    return acquire(
      this.#ideal(slice),
      acquisition,
      this.#habitus,
      texture,
      reference,
      noiseStream(this.#study, slice),
    );
  }

  /** The slice without scanner effects: the signal, averaged over the slice thickness. */
  #ideal(slice: number): Canvas {
    const { acquisition, signals, texture, spine } = this.#study;
    const x = acquisition.slicePositions[slice]!;
    const base = new Canvas(this.#grid);
    paintSoftTissue(base, this.#habitus, signals, texture, x - spine.midline(0), slice * 19);
    const sum = new Canvas(this.#grid);
    const layer = new Canvas(this.#grid);
    const weight = 1 / THROUGH_PLANE.length;
    for (const fraction of THROUGH_PLANE) {
      layer.values.set(base.values);
      const offset = x + fraction * acquisition.sliceThickness;
      for (const shape of this.#anteriorShapes(offset)) if (shape) layer.paint(shape);
      this.#paintForamina(layer, offset);
      for (const shape of this.#posteriorShapes(offset)) if (shape) layer.paint(shape);
      this.#paintCanal(layer, offset, fraction * this.#grid.step);
      for (let i = 0; i < sum.values.length; i++) sum.values[i]! += weight * layer.values[i]!;
    }
    return sum;
  }

  /** Vessels, discs and bodies, in painting order. */
  #anteriorShapes(x: number): (Shape | null)[] {
    const { spine, signals, texture } = this.#study;
    return [
      ...vesselShapes(this.#habitus, signals, spine, texture, x, this.#grid),
      ...spine.discs.map((disc) => discShape(disc, this.#lateralOffset(disc, x), this.#look)),
      ...spine.vertebrae.map((body) => bodyShape(body, spine, this.#lateralOffset(body, x), this.#look)),
    ];
  }

  /** Nerve roots and neural arches, in painting order. */
  #posteriorShapes(x: number): (Shape | null)[] {
    const { spine, lateral } = this.#study;
    const { vertebrae } = spine;
    const lumbar = vertebrae.filter((body) => body.name.startsWith('L'));
    return [
      ...lumbar.map((body, level) => {
        const u = this.#lateralOffset(body, x);
        return foramenRoot(body, u, this.#look, lateral?.foramenNarrowing(level, u) ?? 0);
      }),
      ...vertebrae.map((body) => archShape(body, this.#lateralOffset(body, x), this.#look)),
    ];
  }

  /** Signed distance of (x, y, z) from the midline, mm. */
  #lateralOffset({ y, z }: { y: number; z: number }, x: number): number {
    return x + offMidline(this.#study, y, z);
  }

  /** Paints the fat of the foramina, between the pedicles. */
  #paintForamina(layer: Canvas, x: number): void {
    for (const { index, s, t, offset } of this.#canalPixels) {
      const { coverage, signal } = foramenSample(this.#study, s, t, x + offset);
      if (coverage > 0) layer.values[index]! += coverage * (signal - layer.values[index]!);
    }
  }

  /** Paints the canal. `dither` shifts the samples along t, so that the average over the layers smooths thin edges. */
  #paintCanal(layer: Canvas, x: number, dither: number): void {
    const end = this.#study.spine.wall.length;
    const point: CanalPoint = { inside: false, signal: 0, csf: 0 };
    for (const { index, s, t, offset } of this.#canalPixels) {
      canalSample(this.#study, s, t + dither, x + offset, point);
      if (!point.inside) continue;
      const coverage = smoothStep(-1, 0.3, t + dither) * smoothStep(end, end - 12, s);
      layer.values[index]! += coverage * (point.signal - layer.values[index]!);
    }
  }
}

/** Draws the appearance of the bone of a patient; `random` is the stream from which the habitus was drawn. */
export function drawLook(
  random: RandomStream,
  { signals, acquisition, texture, pathology }: PhantomStudy,
): BoneLook {
  const marrowFat = random.uniform();
  const suppressed = acquisition.suppression !== 'none';
  return {
    signals,
    signalOf: (tissue) => signalOf(tissue, acquisition),
    lesions: pathology.lesions,
    texture,
    marrow: suppressed ? 1.4 - 0.8 * marrowFat : 0.78 + 0.45 * marrowFat,
    archMarrow: suppressed ? 0.7 - 0.45 * marrowFat : 0.6 + 0.5 * marrowFat,
    mottle: random.uniform(0.6, 1.5),
    boneShift: (u) => Math.round(u / 3) * 11,
    discShift: () => 0,
  };
}

/**
 * A pixel near the canal: its coordinates on the posterior wall, and its distance from the midline in a slice at x = 0.
 */
interface CanalPixel {
  readonly index: number;
  readonly s: number;
  readonly t: number;
  readonly offset: number;
}

function locateCanal(study: PhantomStudy, { columns, rows, y0, z0, step }: Grid): CanalPixel[] {
  const { wall } = study.spine;
  const found: CanalPixel[] = [];
  for (let row = 0; row < rows; row++) {
    const z = z0 - row * step;
    const guess = wall.sAtHeight(z);
    const [wallY] = wall.point(guess, 0);
    const first = Math.max(0, Math.floor((wallY - 8 - y0) / step));
    const last = Math.min(columns - 1, Math.ceil((wallY + 42 - y0) / step));
    for (let column = first; column <= last; column++) {
      const y = y0 + column * step;
      wall.locate(y, z, guess);
      if (wall.t < -2 || wall.t > 28 || wall.s <= 0 || wall.s >= wall.length) continue;
      found.push({
        index: row * columns + column,
        s: wall.s,
        t: wall.t,
        offset: offMidline(study, y, z),
      });
    }
  }
  return found;
}

function offMidline(study: PhantomStudy, y: number, z: number): number {
  return y * Math.sin(study.acquisition.obliquity) - study.spine.midline(z);
}
