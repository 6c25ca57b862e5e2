/** Grades of normalised views and of crops. */
import { noGrad } from '../engine/autograd.js';
import type { Device } from '../engine/device.js';
import { expectFinite } from '../engine/finite.js';
import { tidy } from '../engine/tidy.js';
import { batches } from './batches.js';
import { type EncoderInput, encoderInput, type Slots } from './fusion/input.js';
import type { GraderInput } from './fusion/spec.js';
import type { Grader } from './grader.js';
import { firstViews, GRADING_VIEWS, type GradingView, viewOf } from './gradingViews.js';

/** Discs per batch. */
export const GRADING_BATCH = 64;

const ADVICE = 'the weights come from a training that diverged, or the input overflows float32';

/**
 * Grades batches of normalised views.
 *
 * @param makeViews each makes the input of one batch
 * @returns the probabilities of the grades, per task and view
 * @throws SpinegradError ERR_NOT_FINITE if a logit or a probability is NaN or infinite
 */
export async function gradeViews(
  grader: Grader,
  makeViews: readonly (() => EncoderInput)[],
): Promise<number[][][]> {
  const probabilities: number[][][] = grader.heads.of.map(() => []);
  for (const makeBatch of makeViews) {
    const logits = noGrad(() => tidy(() => grader.forward(makeBatch())));
    const tables = noGrad(() => tidy(() => grader.probabilities(logits)));
    const downloads = [...logits, ...tables].map((tensor) => tensor.data().finally(() => tensor.dispose()));
    const values = await Promise.all(downloads);
    for (const [task, { grades }] of grader.heads.of.entries()) {
      const table = values[logits.length + task]!;
      expectFinite(values[task]!, 'grader: logits', ADVICE);
      expectFinite(table, 'grader: probabilities', ADVICE);
      for (let i = 0; i < table.length; i += grades) {
        probabilities[task]!.push(Array.from(table.subarray(i, i + grades)));
      }
    }
  }
  return probabilities;
}

/** Crops of discs on the host. */
export interface CropSet {
  /** uint16 [crops, size, size] */
  pixels: Uint16Array;
  size: number;
  /** The crops of each disc. */
  discs: readonly Slots[];
}

/**
 * Grades crops on the host.
 *
 * @param views number of views of each crop (`GRADING_VIEWS`) over which the probabilities are averaged; 1: the crop itself
 * @returns the probabilities of the grades, per task and disc
 * @throws SpinegradError ERR_NOT_FINITE as `gradeViews`; ERR_ARGUMENT for another number of views
 */
export async function gradeCrops(
  device: Device,
  grader: Grader,
  crops: CropSet,
  input: GraderInput,
  views = 1,
): Promise<number[][][]> {
  const perView: number[][][][] = [];
  for (const view of firstViews(views)) {
    perView.push(await gradeViews(grader, cropInputs(device, crops, input, view)));
  }
  const [plain] = perView;
  if (views === 1) return plain!;
  return plain!.map((table, task) =>
    table.map((row, disc) =>
      row.map((_, grade) => perView.reduce((sum, of) => sum + of[task]![disc]![grade]!, 0) / views),
    ),
  );
}

/** The inputs of batches of crops on the host, each made when it is called. */
export function cropInputs(
  device: Device,
  { pixels, size, discs }: CropSet,
  { spec, normalisation }: GraderInput,
  view: GradingView = GRADING_VIEWS[0]!,
): (() => EncoderInput)[] {
  const area = size * size;
  return batches(discs, GRADING_BATCH).map((batch) => () => {
    const rows = batch.flat().filter((row) => row !== null);
    const crops = new Uint16Array(rows.length * area);
    for (const [index, row] of rows.entries()) {
      crops.set(pixels.subarray(row * area, (row + 1) * area), index * area);
    }
    let next = 0;
    const slots = batch.map((disc) => disc.map((row) => (row === null ? null : next++)));
    const bank = device.tensor(viewOf(crops, size, view), [rows.length, size, size]);
    return encoderInput(bank, slots, spec, { seed: 0, step: 0 }, normalisation);
  });
}
