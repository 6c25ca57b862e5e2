/** Writes the DICOM files of one study and returns its lines of the CSV files. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { makeSubfolder } from '../io/atomic.js';
import { AxialPainter, type AxialStudy, axialT2 } from './axial.js';
import { encodeSlice } from './dicom.js';
import { identityOf } from './identity.js';
import { type LateralReading, readForamina, readRecesses } from './lateralReader.js';
import { Painter } from './painter.js';
import type { Prevalence } from './prevalence.js';
import { readStudy } from './reader.js';
import { drawStudy, type PhantomSeries, type PhantomStudy, sagittalT1 } from './study.js';
import { type Annotation, annotationsOf, type StudyRows, studyRows } from './tables.js';
import { toAxialPixel, toPixel } from './toPixel.js';

export interface PhantomOptions {
  /** Folder to write; created if missing, must be empty. */
  readonly out: string;
  readonly studies: number;
  readonly seed: number;
  readonly prevalence: Prevalence;
  /** Sagittal slices per study, centred on the midline; default 7. */
  readonly slices?: number;
  /** Series per study; default the sagittal T2 series, which is always written. */
  readonly series?: readonly PhantomSeries[];
}

/** Writes the files of study `index` to `train_images`. */
export async function writeStudy(options: PhantomOptions, index: number): Promise<StudyRows> {
  const { seed, prevalence, slices = 7, series = [] } = options;
  const lateral = series.some((name) => name !== 'Sagittal T2/STIR');
  const study = drawStudy(seed, index, prevalence, slices, lateral);
  const annotations: Annotation[] = readStudy(study).map((reading, level) => ({
    ...reading,
    series: study.series,
    side: null,
    level,
    pixel: toPixel(study, ...reading.point),
  }));
  await writeSeries(options.out, study, slices, new Painter(study));
  if (series.includes('Sagittal T1')) {
    const t1 = sagittalT1(study);
    const pixel = ({ point }: LateralReading) => toPixel(t1, ...point);
    annotations.push(...annotationsOf(readForamina(t1), t1.series, pixel));
    await writeSeries(options.out, t1, t1.acquisition.slicePositions.length, new Painter(t1));
  }
  if (series.includes('Axial T2')) {
    const axial = axialT2(study);
    const pixel = ({ slice, x, point: [y, z] }: LateralReading) => toAxialPixel(axial, slice, x, { y, z });
    annotations.push(...annotationsOf(readRecesses(axial), axial.series, pixel));
    await writeSeries(options.out, axial, axial.planes.length, new AxialPainter(axial));
  }
  return studyRows(study, annotations);
}

async function writeSeries(
  out: string,
  study: PhantomStudy | AxialStudy,
  slices: number,
  painter: Painter | AxialPainter,
): Promise<void> {
  const { studyId, seriesId } = identityOf(study.seed, study.index, study.series);
  const images = await makeSubfolder(out, 'train_images');
  const folder = await makeSubfolder(await makeSubfolder(images, studyId), seriesId);
  for (let slice = 0; slice < slices; slice++) {
    await writeFile(join(folder, `${slice + 1}.dcm`), encodeSlice(study, slice, painter.pixels(slice)));
  }
}
