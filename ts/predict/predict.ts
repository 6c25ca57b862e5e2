/**
 * From a file to grades per level: reads the input, takes the slice that shows the canal, finds its orientation and its
 * discs, cuts and grades them, on this slice and on the other series and sides that the tasks need. An image that shows no
 * lumbar spine is refused. All settings come from the model.
 */
import { LEVELS, type Level } from '../anatomy.js';
import { readInput } from '../data/input.js';
import { canalSlice, type SourceSlice } from '../data/series.js';
import type { Device } from '../engine/device.js';
import { SpinegradError } from '../error.js';
import { argmax } from '../evaluation/metrics.js';
import { loadModel, type Model } from '../model/bundle.js';
import { DOUBTS } from '../model/doubts.js';
import { gradeCrops } from '../model/grade.js';
import { isDoubtful } from '../model/locate.js';
import { doubtsOf, refuse, withScale } from './checks.js';
import { type Cuts, cutDiscs } from './cutDiscs.js';
import { orient } from './orientation.js';
import type { LevelPrediction, Prediction, TaskGrade } from './prediction.js';
import { type NotGraded, searchedSeries } from './targets.js';

export interface PredictOptions {
  /** A DICOM file or folder, a PNG, or a NIfTI volume. */
  input: string;
  /** Folder of a finished run. */
  model: string;
  /** Name of an arm; default: the one that the model recommends. */
  arm?: string | undefined;
  /** Pixel spacing of a PNG in mm; default: from the distance of neighbouring discs. */
  spacing?: number | undefined;
}

/**
 * Grades the discs of one study with a trained model.
 *
 * @returns the prediction and the slice that was graded
 * @throws SpinegradError of `readInput` and `loadModel`; ERR_NOT_LUMBAR if the image shows no lumbar spine;
 *   ERR_SERIES_NOT_FOUND also if no task can be graded; ERR_NOT_FINITE if the networks overflow
 *
 * @example
 * const { prediction } = await predict(device, { input: 'study/series', model: 'runs/demo' });
 * prediction.levels.flatMap(({ level, grades }) => grades.map(({ task, grade }) => `${level} ${task} ${grade}`));
 */
export async function predict(
  device: Device,
  options: PredictOptions,
): Promise<{ prediction: Prediction; slice: SourceSlice }> {
  const { input, spacing } = options;
  const model = await loadModel(options.model, device, options.arm);
  try {
    const { description, arms } = model;
    const { trainedOn, notice } = description;
    const { weighting } = searchedSeries(description);
    const { slices, skipped, study } = await readInput(
      input,
      spacing === undefined ? null : [spacing, spacing],
      weighting,
    );
    const slice = canalSlice(slices);
    const oriented = await orient(device, model, slice);
    const { located, anterior, superior, agreesWithHeader } = oriented;
    if (!located.lumbar) refuse(input, located);

    const warnings = trainedOn.synthetic ? [notice] : [];
    if (agreesWithHeader === false) {
      warnings.push(
        `the header is wrong about the orientation: in the pixels, ${anterior} is anterior and ${superior} is superior`,
      );
    }
    if (skipped.some(({ code }) => code === 'ERR_STUDY_EXTRA')) {
      warnings.push(`${input} contains several studies; only the study of ${slice.path} is graded`);
    }
    const scaled = withScale(oriented, trainedOn.layout);
    if (scaled.replaced !== null) warnings.push(scaled.replaced);

    const doubts = doubtsOf(oriented, weighting, description.localizer.network.sliceSize, trainedOn.layout);
    const graded = [...new Set(trainedOn.tasks.flatMap(({ levels }) => levels))];
    const discs = located.discs.filter(({ level }) => graded.includes(level));
    const sliceDoubtful = doubts.some((code) => DOUBTS[code].of === 'slice');
    const inPatient = agreesWithHeader === true && scaled.replaced === null;
    const cuts = await cutDiscs(
      description,
      { slice, slices, study },
      { slice: scaled.slice, inPatient },
      discs,
    );
    if (cuts.discs.length === 0 && discs.length > 0) refuseUngraded(input, cuts.notGraded);
    for (const name of cuts.missing) {
      warnings.push(
        `the series ${name} is missing or does not show every disc; grades are of the other series`,
      );
    }
    const grades = await gradeDiscs(device, model, cuts);
    const levels = discs.map(
      (disc): LevelPrediction => ({
        level: disc.level,
        x: rounded(disc.point[0]),
        y: rounded(disc.point[1]),
        placeProbability: disc.probability,
        levelProbability: disc.levelProbability,
        spreadMm: disc.spreadMm,
        interpolated: disc.interpolated,
        doubtful: sliceDoubtful || isDoubtful(disc),
        grades: grades.get(disc.level) ?? [],
      }),
    );
    const prediction: Prediction = {
      input,
      slice: {
        file: slice.path,
        instanceNumber: slice.instanceNumber,
        position: slices.indexOf(slice) + 1,
        of: slices.length,
        columns: slice.columns,
        rows: slice.rows,
        pixelSpacing: scaled.slice.pixelSpacing,
        spacingFrom: scaled.replaced === null ? 'input' : 'pitch',
      },
      orientation: { anterior, superior, agreesWithHeader },
      model: { folder: options.model, arm: arms[0]!.name, preset: trainedOn.preset, trainedOn, notice },
      doubtful: levels.some(({ doubtful }) => doubtful),
      doubts: doubts.map((code) => ({ code, message: DOUBTS[code].message })),
      warnings,
      skipped: [...skipped, ...cuts.skipped],
      levels,
      notGraded: cuts.notGraded,
      notFound: missing(graded, levels),
    };
    return { prediction, slice };
  } finally {
    model.dispose();
  }
}

/** @throws SpinegradError ERR_SERIES_NOT_FOUND */
function refuseUngraded(input: string, notGraded: readonly NotGraded[]): never {
  const reasons = [...new Set(notGraded.map(({ task, reason }) => `${task}: ${reason}`))];
  throw new SpinegradError(
    'ERR_SERIES_NOT_FOUND',
    `${input}: no task can be graded: ${reasons.join('; ')}; give the folder of the complete study`,
  );
}

/** Lumbar levels that are graded and were not found. Thoracic discs are outside of many images. */
function missing(graded: readonly Level[], levels: readonly LevelPrediction[]): Level[] {
  return LEVELS.filter((level) => graded.includes(level) && !levels.some((found) => found.level === level));
}

/** The grades of each level, in the order of the model's tasks. */
async function gradeDiscs(
  device: Device,
  { description, arms }: Model,
  { crops, discs }: Cuts,
): Promise<Map<Level, TaskGrade[]>> {
  const { trainedOn, input, evaluation } = description;
  const perTask = await gradeCrops(device, arms[0]!.grader, crops, input, evaluation.views);
  const graded = new Map<Level, TaskGrade[]>();
  for (const [task, { id, grades }] of trainedOn.tasks.entries()) {
    for (const [index, { level, side, tasks, place }] of discs.entries()) {
      if (!tasks.includes(id)) continue;
      const row = perTask[task]![index]!;
      const { series, file, instanceNumber, centre } = place;
      const grade: TaskGrade = {
        ...{ task: id, side, grade: grades[argmax(row)]!.name },
        probabilities: Object.fromEntries(grades.map(({ name }, i) => [name, row[i]!])),
        image: { series, file, instanceNumber, x: rounded(centre[0]), y: rounded(centre[1]) },
      };
      graded.set(level, [...(graded.get(level) ?? []), grade]);
    }
  }
  return graded;
}

const rounded = (pixels: number): number => Number(pixels.toFixed(2));
