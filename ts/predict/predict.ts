/**
 * From a file to grades per level: reads the input, takes the slice that shows the canal, finds its orientation and its
 * discs, cuts and grades them, on this slice and on the other series and sides that the tasks need. An image that shows no
 * lumbar spine is refused. All settings come from the model.
 */
import { LEVELS, type Level } from '../anatomy.js';
import { type InputSeries, readInput } from '../data/input.js';
import { canalSlice, type SourceSlice } from '../data/series.js';
import type { Device } from '../engine/device.js';
import { SpinegradError } from '../error.js';
import { minimumDiscs } from '../evaluation/conformal.js';
import type { ArmCalibration } from '../model/armCalibration.js';
import { chooseArms, loadModel, type Model } from '../model/bundle.js';
import type { ModelDescription } from '../model/description.js';
import { DOUBTS } from '../model/doubts.js';
import { isDoubtful } from '../model/located.js';
import { checkApart, checkSize, doubtsOf, refuse, withScale } from './checks.js';
import { cutDiscs } from './cutDiscs.js';
import { gradeCuts, rounded } from './gradeCuts.js';
import type { LevelPrediction, Prediction } from './prediction.js';
import { explain, type LevelSaliency } from './saliency.js';
import { orientInStack } from './stackVote.js';
import { type NotGraded, searchedSeries } from './targets.js';

export interface PredictOptions {
  /** A DICOM file or folder, a PNG, or a NIfTI volume. */
  input: string;
  /** Folder of a finished run, or a model of `loadModel`, which stays loaded. */
  model: string | Model;
  /** Name of an arm; default: the one that the model recommends, or the only one that is loaded. */
  arm?: string | undefined;
  /** Pixel spacing of a PNG in mm; default: from the distance of neighbouring discs. */
  spacing?: number | undefined;
  /** Explain the grades of the first graded task; default false. */
  saliency?: boolean | undefined;
  /** The input, if `readStudy` has read it. */
  study?: InputSeries | undefined;
  /** Stops the work between its steps; the promise rejects with the signal's reason. */
  signal?: AbortSignal | undefined;
}

/**
 * Grades the discs of one study with a trained model.
 *
 * @returns the prediction, the slice that was graded, and the saliency per level if it was requested
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
): Promise<{ prediction: Prediction; slice: SourceSlice; saliency: LevelSaliency[] }> {
  const { input, signal } = options;
  signal?.throwIfAborted();
  const model = await modelOf(device, options);
  try {
    const { description, arms } = model;
    const { trainedOn, notice } = description;
    const { weighting } = searchedSeries(description);
    const { slices, skipped, study } = options.study ?? (await readStudy(description, options));
    signal?.throwIfAborted();
    const slice = canalSlice(slices);
    checkSize(input, slice);
    const oriented = await orientInStack(device, model, slice, slices);
    signal?.throwIfAborted();
    const { located, anterior, superior, agreesWithHeader, votes } = oriented;
    if (!located.lumbar) refuse(input, located);
    checkApart(input, slice, located);

    const warnings = trainedOn.synthetic ? [notice] : [];
    if (agreesWithHeader === false) {
      warnings.push(
        `the header is wrong about the orientation: in the pixels, ${anterior} is anterior and ${superior} is superior`,
      );
    }
    if (skipped.some(({ code }) => code === 'ERR_STUDY_EXTRA')) {
      warnings.push(`${input} contains several studies; only the study of ${slice.path} is graded`);
    }
    const [alone] = votes;
    if (alone && alone.agreeing < alone.discs) {
      warnings.push(
        `the levels are those of a vote of ${votes.length} slices; the graded slice alone gives ${alone.discs - alone.agreeing} of ` +
          `${alone.discs} discs another level`,
      );
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
    signal?.throwIfAborted();
    const grades = await gradeCuts(device, model, cuts);
    warnings.push(...alwaysInSet(description, arms[0]!));
    const isCertain = !doubts.includes('no_certainty');
    const levels = discs.map((disc): LevelPrediction => {
      const isUnsure = sliceDoubtful || isDoubtful(disc);
      const own = (grades.get(disc.level) ?? []).map((grade) => ({
        ...grade,
        doubtful: isUnsure || grade.novelty > 1,
      }));
      return {
        level: disc.level,
        x: rounded(disc.point[0]),
        y: rounded(disc.point[1]),
        placeProbability: isCertain ? disc.probability : null,
        levelProbability: isCertain ? disc.levelProbability : null,
        spreadMm: isCertain ? disc.spreadMm : null,
        interpolated: disc.interpolated,
        doubtful: isUnsure || own.some(({ doubtful }) => doubtful),
        grades: own,
      };
    });
    if (levels.some((level) => level.grades.some(({ novelty }) => novelty > 1))) doubts.push('novel');
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
      votes: votes.map(({ image, ...vote }) => ({
        ...{ file: image.path, instanceNumber: image.instanceNumber, position: slices.indexOf(image) + 1 },
        ...vote,
      })),
      model: {
        ...{ folder: model.folder, arm: arms[0]!.name, preset: trainedOn.preset },
        ...{ setCoverage: description.evaluation.coverage, trainedOn, notice },
      },
      doubtful: levels.some(({ doubtful }) => doubtful),
      doubts: doubts.map((code) => ({ code, message: DOUBTS[code].message })),
      warnings,
      skipped: [...skipped, ...cuts.skipped],
      levels,
      notGraded: cuts.notGraded,
      notFound: missing(graded, levels),
    };
    const saliency = options.saliency ? await explain(device, model, cuts, grades) : [];
    return { prediction, slice, saliency };
  } finally {
    if (typeof options.model === 'string') model.dispose();
  }
}

/** Reads what a model grades of an input. It needs no device. */
export const readStudy = (
  description: ModelDescription,
  { input, spacing }: Pick<PredictOptions, 'input' | 'spacing'>,
): Promise<InputSeries> =>
  readInput(input, spacing === undefined ? null : [spacing, spacing], searchedSeries(description).weighting);

async function modelOf(device: Device, { model, arm }: PredictOptions): Promise<Model> {
  if (typeof model === 'string') return await loadModel(model, device, arm);
  const { folder, description, arms } = model;
  const which = arm ?? (arms.length === 1 ? 'all' : 'recommended');
  return { ...model, arms: chooseArms(folder, description, arms, which) };
}

/** A warning for each grade that is in every set, because the arm has too few calibration discs of it. */
function alwaysInSet({ trainedOn, evaluation }: ModelDescription, { calibration }: ArmCalibration): string[] {
  const required = minimumDiscs(evaluation.coverage);
  return trainedOn.tasks.flatMap(({ id, grades }, task) =>
    grades.flatMap(({ name }, grade) => {
      const discs = calibration[task]!.discs[grade]!;
      if (discs >= required) return [];
      return `${id}: ${name} is in every set: the model has ${discs} calibration discs of it, sets with a coverage of ${evaluation.coverage} need ${required}`;
    }),
  );
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
