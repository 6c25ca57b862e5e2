/** One synthetic study: anatomy, acquisition and tissue texture, drawn from (seed, index). */

import { RandomStream } from '../random.js';
import { Canal } from './canal.js';
import { drawOcclusion, type Prevalence } from './prevalence.js';
import { type Acquisition, drawAcquisition } from './scanner.js';
import { drawSpine, type Spine } from './spine.js';
import { Texture } from './texture.js';
import { type Signals, tissueSignals } from './tissue.js';

/** Each purpose has a random stream of its own, so that a change of one does not affect the others. */
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

/** Through-plane sampling positions, as fractions of the slice thickness. */
export const THROUGH_PLANE = [-1 / 3, 0, 1 / 3];

/** Draws study `index` of a seed. */
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

/** Patient x at the in-plane position `y` of a slice. Oblique slices are rotated about the patient's z axis. */
export function xInSlice(acquisition: Acquisition, slice: number, y: number): number {
  return acquisition.slicePositions[slice]! + y * Math.sin(acquisition.obliquity);
}
