/**
 * From a file to a grade per level: read the input, take the slice that shows the canal, find which way it lies and where
 * the discs are, cut them, grade them. Everything the model needs to know of its own training it carries along.
 */

import { LEVELS, type Level, type Point } from '../anatomy.js';
import { readInput } from '../data/input.js';
import { cropRoi } from '../data/roi.js';
import { canalSlice, type SourceSlice } from '../data/series.js';
import type { Device } from '../engine/device.js';
import { type Skipped, SpinegradError } from '../error.js';
import { argmax } from '../evaluation/metrics.js';
import { loadModel, type Model, type ModelDescription } from '../model/bundle.js';
import { taskOf } from '../tasks/index.js';
import { SPINAL_CANAL_STENOSIS } from '../tasks/rsna.js';
import { requireSeries } from '../tasks/task.js';
import { gradeCrops } from '../training/assess.js';
import { type Oriented, orient } from './orientation.js';

export interface PredictOptions {
  /** A DICOM file or folder, a PNG, or a NIfTI volume. */
  input: string;
  /** Folder of a finished run. */
  model: string;
  /** The recommended one if it is left out. */
  arm?: string | undefined;
  /** Pixel spacing of a PNG in mm. */
  spacing?: number | undefined;
}

export interface LevelPrediction {
  level: Level;
  /** Where it was cut, in pixels of the original slice. */
  x: number;
  y: number;
  /** By the grade's name. */
  probabilities: Record<string, number>;
  /** Name of the grade of the largest probability. */
  grade: string;
  /** 1 where the localizer's views agree on the place as on its own validation data, towards 0 the less they do. */
  confidence: number;
}

export interface Prediction {
  input: string;
  slice: {
    file: string;
    instanceNumber: number | null;
    /** From 1, of the slices from the patient's right to the left. */
    position: number;
    of: number;
    columns: number;
    rows: number;
    pixelSpacing: readonly [number, number] | null;
  };
  /** Sides of the slice as it is stored. */
  orientation: Pick<Oriented, 'anterior' | 'superior' | 'agreesWithHeader'>;
  model: Pick<ModelDescription, 'trainedOn' | 'notice'> & { folder: string; arm: string; preset: string };
  warnings: string[];
  skipped: Skipped[];
  levels: LevelPrediction[];
}

/** Above so many times the usual spread of views the image is not taken for a lumbar spine; from the first on a warning. */
const DOUBT = { warn: 2, refuse: 6 };

/** In mm, from disc to disc: a lumbar level is 25 to 40 mm high. */
const PITCH = { least: 15, most: 50 };

/**
 * @returns the prediction and the slice that it was made on
 * @throws SpinegradError of `readInput` and `loadModel`; ERR_NOT_LUMBAR; ERR_TASK_SERIES for a task of another series
 */
export async function predict(
  device: Device,
  options: PredictOptions,
): Promise<{ prediction: Prediction; slice: SourceSlice }> {
  const { input, spacing } = options;
  const model = await loadModel(options.model, device, options.arm);
  try {
    requireSeries(taskOf(model.description.config.task), SPINAL_CANAL_STENOSIS.series, 'predict');
    const { slices, skipped } = await readInput(input, spacing === undefined ? null : [spacing, spacing]);
    const slice = canalSlice(slices);
    const oriented = await orient(device, model, slice);
    const warnings = judge(input, oriented, model);
    if (skipped.some(({ code }) => code === 'ERR_STUDY_EXTRA')) {
      warnings.push(`${input} holds several studies; only the one of ${slice.path} is graded`);
    }
    const centres = oriented.points.map((point, index) => {
      const inside = within(point, slice);
      if (inside !== point) warnings.push(`${LEVELS[index]} lies beyond the border of the slice`);
      return inside;
    });
    warnings.push(...implausible(centres, slice.pixelSpacing));
    const { description, arm } = model;
    const { columns, rows, pixelSpacing } = slice;
    const prediction: Prediction = {
      input,
      slice: {
        file: slice.path,
        instanceNumber: slice.instanceNumber,
        position: slices.indexOf(slice) + 1,
        of: slices.length,
        columns,
        rows,
        pixelSpacing,
      },
      orientation: {
        anterior: oriented.anterior,
        superior: oriented.superior,
        agreesWithHeader: oriented.agreesWithHeader,
      },
      model: {
        folder: options.model,
        arm,
        preset: description.config.preset,
        trainedOn: description.trainedOn,
        notice: description.notice,
      },
      warnings,
      skipped,
      levels: await gradeLevels(device, model, oriented, centres),
    };
    return { prediction, slice };
  } finally {
    model.dispose();
  }
}

function judge(
  input: string,
  { doubt, agreesWithHeader, anterior }: Oriented,
  { description }: Model,
): string[] {
  const { localizer, trainedOn } = description;
  const times = doubt / localizer.usualSpread;
  if (times > DOUBT.refuse) {
    throw new SpinegradError(
      'ERR_NOT_LUMBAR',
      `${input}: the five lumbar discs cannot be found: views of the slice disagree ${times.toFixed(1)} times as much ` +
        `as on validation data, expected at most ${DOUBT.refuse}; give a sagittal T2 slice of the lumbar spine`,
    );
  }
  const warnings: string[] = [];
  if (trainedOn.synthetic) warnings.push(description.notice);
  if (times > DOUBT.warn) {
    warnings.push(
      `the places of the discs are doubtful: views of the slice disagree ${times.toFixed(1)} times as much as on ` +
        'validation data; look at the overlay',
    );
  }
  if (agreesWithHeader === false) {
    warnings.push(
      `the header is wrong about the front of the patient: the pixels show it on the ${anterior}`,
    );
  }
  return warnings;
}

/** What the distances of neighbouring discs say against the places that were found. */
function implausible(centres: readonly Point[], spacing: SourceSlice['pixelSpacing']): string[] {
  if (spacing === null) return [];
  return centres.slice(1).flatMap(([x, y], index) => {
    const [previousX, previousY] = centres[index]!;
    const distance = Math.hypot((x - previousX) * spacing[1], (y - previousY) * spacing[0]);
    if (distance >= PITCH.least && distance <= PITCH.most) return [];
    const pair = `${LEVELS[index]} and ${LEVELS[index + 1]}`;
    return `${pair} were found ${distance.toFixed(0)} mm apart, expected ${PITCH.least} to ${PITCH.most}: at least one is wrong`;
  });
}

async function gradeLevels(
  device: Device,
  { description, grader }: Model,
  { slice, spread }: Oriented,
  centres: readonly Point[],
): Promise<LevelPrediction[]> {
  const { config, roi, normalisation, localizer } = description;
  const task = taskOf(config.task);
  const crops = new Uint16Array(centres.length * roi.size ** 2);
  centres.forEach((centre, index) => {
    crops.set(cropRoi(slice, centre, roi).pixels, index * roi.size ** 2);
  });
  const probabilities = await gradeCrops({ device }, grader, crops, roi.size, normalisation.rois);
  const predictions = LEVELS.map((level, index): LevelPrediction => {
    const [x, y] = centres[index]!;
    const row = probabilities[index]!;
    return {
      level,
      x: Number(x.toFixed(2)),
      y: Number(y.toFixed(2)),
      probabilities: Object.fromEntries(task.grades.map(({ name }, i) => [name, row[i]!])),
      grade: task.grades[argmax(row)]!.name,
      confidence: Math.min(1, localizer.usualSpread / spread[index]!),
    };
  });
  return predictions.filter(({ level }) => task.levels.includes(level));
}

/** The point itself where it lies in the slice, else the nearest that does. */
function within(point: Point, { columns, rows }: SourceSlice): Point {
  const [x, y] = point;
  const inside: Point = [Math.min(Math.max(x, 0), columns - 1), Math.min(Math.max(y, 0), rows - 1)];
  return inside[0] === x && inside[1] === y ? point : inside;
}
