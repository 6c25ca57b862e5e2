/** One synthetic study: anatomy, acquisition and tissue texture, drawn from (seed, index). */

import { RandomStream } from '../random.js';
import { type Acquisition, drawAcquisition } from './acquisition.js';
import { Canal } from './canal.js';
import { Lateral } from './lateral.js';
import { drawPathology, type Pathology } from './pathology.js';
import { drawLateral, drawOcclusion, type Prevalence } from './prevalence.js';
import { tissueSignals } from './sequence.js';
import { drawDegeneration, drawSpine, type Spine } from './spine.js';
import { Texture } from './texture.js';
import type { Signals, TissueName } from './tissue.js';

/** Each purpose has a random stream of its own, so that a change of one does not affect the others. */
export const PURPOSE = {
  grades: 1,
  anatomy: 2,
  scanner: 3,
  noise: 4,
  reader: 5,
  identity: 6,
  look: 7,
  lateral: 8,
  series: 9,
  pathology: 10,
} as const;

/** The series that a study can have, with the names of the RSNA 2024 data. The first one is always written. */
export const PHANTOM_SERIES = ['Sagittal T2/STIR', 'Sagittal T1', 'Axial T2'] as const;
export type PhantomSeries = (typeof PHANTOM_SERIES)[number];

/** The anatomy of a patient, and one of its series. */
export interface PhantomStudy {
  readonly seed: number;
  readonly index: number;
  readonly pathology: Pathology;
  readonly spine: Spine;
  readonly canal: Canal;
  /** Narrowing of foramina and lateral recesses; null if the study has only the sagittal T2 series. */
  readonly lateral: Lateral | null;
  readonly texture: Texture;
  readonly series: PhantomSeries;
  readonly acquisition: Acquisition;
  readonly signals: Signals;
  /** The bright tissue whose signal the noise and the gain refer to. */
  readonly brightest: TissueName;
}

/** Through-plane sampling positions, as fractions of the slice thickness. */
export const THROUGH_PLANE = [-1 / 3, 0, 1 / 3];

/**
 * Draws study `index` of a seed, with its sagittal T2 series.
 *
 * @param lateral whether foramina and recesses are narrowed. The canal, its grades and the slices through it do not
 *   depend on it.
 */
export function drawStudy(
  seed: number,
  index: number,
  prevalence: Prevalence,
  slices: number,
  lateral = false,
): PhantomStudy {
  const anatomy = new RandomStream(seed, index, PURPOSE.anatomy);
  const occlusion = drawOcclusion(new RandomStream(seed, index, PURPOSE.grades), prevalence);
  const degeneration = drawDegeneration(anatomy, occlusion);
  const pathology = drawPathology(seed, index, PURPOSE.pathology, occlusion, degeneration);
  const spine = drawSpine(anatomy, degeneration, pathology);
  const texture = new Texture(new RandomStream(seed, index, PURPOSE.look));
  const canal = new Canal(anatomy, spine, occlusion, texture, pathology);
  const acquisition = drawAcquisition(new RandomStream(seed, index, PURPOSE.scanner), slices);
  const signals = tissueSignals(acquisition);
  const narrowing = () => {
    const random = new RandomStream(seed, index, PURPOSE.lateral);
    const foramina = drawLateral(random, 'foramen', prevalence);
    return new Lateral(spine, foramina, drawLateral(random, 'recess', prevalence));
  };
  return {
    seed,
    index,
    pathology,
    spine,
    canal,
    lateral: lateral ? narrowing() : null,
    texture,
    series: 'Sagittal T2/STIR',
    acquisition,
    signals,
    brightest: 'csf',
  };
}

/** Range of the sagittal T1 slices on each side of the midline, mm: both foramina. */
const T1_REACH = 18;

/** The sagittal T1 series of a study: the slices of the T2 series, continued on both sides to the foramina. */
export function sagittalT1(study: PhantomStudy): PhantomStudy {
  const random = new RandomStream(study.seed, study.index, PURPOSE.series, 1);
  const { slicePositions, sliceSpacing } = study.acquisition;
  const middle = study.spine.midline(0);
  const [first, second] = slicePositions as [number, number?];
  const step = second === undefined ? sliceSpacing : second - first;
  const positions = [...slicePositions];
  while ((positions[0]! - middle) * Math.sign(step) > -T1_REACH) positions.unshift(positions[0]! - step);
  while ((positions.at(-1)! - middle) * Math.sign(step) < T1_REACH) positions.push(positions.at(-1)! + step);
  const acquisition: Acquisition = {
    ...study.acquisition,
    repetitionTime: Math.round(random.uniform(450, 700)),
    echoTime: Math.round(random.uniform(8, 14)),
    suppression: 'none',
    slicePositions: positions,
    noise: study.acquisition.noise * random.uniform(0.8, 1.3),
    gain: random.uniform(350, 1600),
  };
  const signals = tissueSignals(acquisition);
  // The painters brighten muscle for the fat between its fibres, which dominates at a long TE only.
  const muscle = signals.muscle * 0.65;
  return { ...study, series: 'Sagittal T1', acquisition, signals: { ...signals, muscle }, brightest: 'fat' };
}

/** The stream of the noise of a slice. */
export function noiseStream({ seed, index, series }: PhantomStudy, slice: number): RandomStream {
  return new RandomStream(seed, index, PURPOSE.noise, 1000 * PHANTOM_SERIES.indexOf(series) + slice);
}

/** Patient x at the in-plane position `y` of a slice. Oblique slices are rotated about the patient's z axis. */
export function xInSlice(acquisition: Acquisition, slice: number, y: number): number {
  return acquisition.slicePositions[slice]! + y * Math.sin(acquisition.obliquity);
}
