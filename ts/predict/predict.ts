/**
 * From a file to a grade per level: reads the input, takes the slice that shows the canal, finds its orientation and its
 * discs, cuts and grades them. All settings come from the model.
 */

import { LEVELS, type Level, type Point } from '../anatomy.js';
import { readInput } from '../data/input.js';
import { clampToImage, cropRoi } from '../data/roi.js';
import { canalSlice, type SourceSlice } from '../data/series.js';
import type { Device } from '../engine/device.js';
import { type Skipped, SpinegradError } from '../error.js';
import { argmax } from '../evaluation/metrics.js';
import { loadModel, type Model, type ModelDescription } from '../model/bundle.js';
import { gradeCrops } from '../model/grade.js';
import { requireSeries } from '../tasks/task.js';
import { type Oriented, orient } from './orientation.js';

export interface PredictOptions {
  /** A DICOM file or folder, a PNG, or a NIfTI volume. */
  input: string;
  /** Folder of a finished run. */
  model: string;
  /** Name of an arm; default: the one that the model recommends. */
  arm?: string | undefined;
  /** Pixel spacing of a PNG in mm. */
  spacing?: number | undefined;
}

export interface LevelPrediction {
  level: Level;
  /** Centre of the crop, in pixels of the original slice. */
  x: number;
  y: number;
  /** By the grade's name. */
  probabilities: Record<string, number>;
  /** Name of the grade of the largest probability. */
  grade: string;
  /** 1 if the localizer's views agree as well as on its validation data; lower the more they scatter. */
  confidence: number;
}

export interface Prediction {
  input: string;
  slice: {
    file: string;
    instanceNumber: number | null;
    /** From 1, among the slices ordered from the patient's right to left. */
    position: number;
    of: number;
    columns: number;
    rows: number;
    pixelSpacing: readonly [number, number] | null;
  };
  /** Sides of the stored slice. */
  orientation: Pick<Oriented, 'anterior' | 'superior' | 'agreesWithHeader'>;
  model: Pick<ModelDescription, 'trainedOn' | 'notice'> & { folder: string; arm: string; preset: string };
  warnings: string[];
  skipped: Skipped[];
  levels: LevelPrediction[];
}

/** Limits of the uncertainty as a multiple of the model's `spreadP95`: a warning, and an image that is not graded. */
const UNCERTAINTY = { warn: 2, refuse: 6 };

/** Plausible distances of neighbouring discs in mm: a lumbar level is 25 to 40 mm high. */
const PITCH = { min: 15, max: 50 };

/**
 * Grades the discs of one study with a trained model.
 *
 * @returns the prediction and the slice that was graded
 * @throws SpinegradError of `readInput` and `loadModel`; ERR_NOT_LUMBAR; ERR_TASK_SERIES for a task of another series;
 *   ERR_NOT_FINITE if the networks overflow
 *
 * @example
 * const { prediction } = await predict(device, { input: 'study/series', model: 'runs/demo' });
 * prediction.levels.map(({ level, grade }) => `${level} ${grade}`);
 */
export async function predict(
  device: Device,
  options: PredictOptions,
): Promise<{ prediction: Prediction; slice: SourceSlice }> {
  const { input, spacing } = options;
  const model = await loadModel(options.model, device, options.arm);
  try {
    const task = model.description.trainedOn.tasks[0]!;
    requireSeries(task, { plane: 'sagittal', weighting: 'T2' }, 'predict');
    const { slices, skipped } = await readInput(input, spacing === undefined ? null : [spacing, spacing]);
    const slice = canalSlice(slices);
    const oriented = await orient(device, model, slice);
    const warnings = checkUncertainty(input, oriented, model);
    if (skipped.some(({ code }) => code === 'ERR_STUDY_EXTRA')) {
      warnings.push(`${input} contains several studies; only the study of ${slice.path} is graded`);
    }
    const middle: Point = [slice.columns / 2, slice.rows / 2];
    const points = LEVELS.map(
      (level) => oriented.discs.find((disc) => disc.level === level)?.point ?? middle,
    );
    const centres = points.map((point, index) => {
      const inside = clampToImage(point, [slice.columns, slice.rows]);
      if (inside !== point) warnings.push(`${LEVELS[index]} was found outside the slice`);
      return inside;
    });
    warnings.push(...implausible(centres, slice.pixelSpacing));
    const { description, arms } = model;
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
        arm: arms[0]!.name,
        preset: description.trainedOn.preset,
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

/** Warnings about the localization; refuses an image on which the views scatter too far. */
function checkUncertainty(
  input: string,
  { uncertainty, agreesWithHeader, anterior }: Oriented,
  { description }: Model,
): string[] {
  const { localizer, trainedOn } = description;
  const ratio = uncertainty / localizer.spreadP95;
  if (ratio > UNCERTAINTY.refuse) {
    throw new SpinegradError(
      'ERR_NOT_LUMBAR',
      `${input}: the five lumbar discs were not found: the views of the slice differ ${ratio.toFixed(1)} times as much ` +
        `as on validation data, expected at most ${UNCERTAINTY.refuse} times; give a sagittal T2 slice of the lumbar spine`,
    );
  }
  const warnings: string[] = [];
  if (trainedOn.synthetic) warnings.push(description.notice);
  if (ratio > UNCERTAINTY.warn) {
    warnings.push(
      `the disc centres are uncertain: the views of the slice differ ${ratio.toFixed(1)} times as much as on ` +
        'validation data; check the overlay',
    );
  }
  if (agreesWithHeader === false) {
    warnings.push(
      `the header is wrong about the orientation: in the pixels the ${anterior} side is anterior`,
    );
  }
  return warnings;
}

/** Warnings about neighbouring discs whose distance is not plausible. */
function implausible(centres: readonly Point[], spacing: SourceSlice['pixelSpacing']): string[] {
  if (spacing === null) return [];
  return centres.slice(1).flatMap(([x, y], index) => {
    const [previousX, previousY] = centres[index]!;
    const distance = Math.hypot((x - previousX) * spacing[1], (y - previousY) * spacing[0]);
    if (distance >= PITCH.min && distance <= PITCH.max) return [];
    const pair = `${LEVELS[index]} and ${LEVELS[index + 1]}`;
    return `${pair} were found ${distance.toFixed(0)} mm apart, expected ${PITCH.min} to ${PITCH.max}: at least one is wrong`;
  });
}

async function gradeLevels(
  device: Device,
  { description, arms }: Model,
  { slice, spread }: Oriented,
  centres: readonly Point[],
): Promise<LevelPrediction[]> {
  const { trainedOn, roi, normalisation, localizer } = description;
  const task = trainedOn.tasks[0]!;
  const crops = new Uint16Array(centres.length * roi.size ** 2);
  centres.forEach((centre, index) => {
    crops.set(cropRoi(slice, centre, roi).pixels, index * roi.size ** 2);
  });
  const { grader } = arms[0]!;
  const [probabilities] = await gradeCrops(device, grader, crops, roi.size, normalisation.rois);
  const predictions = LEVELS.map((level, index): LevelPrediction => {
    const [x, y] = centres[index]!;
    const row = probabilities![index]!;
    return {
      level,
      x: Number(x.toFixed(2)),
      y: Number(y.toFixed(2)),
      probabilities: Object.fromEntries(task.grades.map(({ name }, i) => [name, row[i]!])),
      grade: task.grades[argmax(row)]!.name,
      confidence: Math.min(1, localizer.spreadP95 / spread[index]!),
    };
  });
  return predictions.filter(({ level }) => task.levels.includes(level));
}
