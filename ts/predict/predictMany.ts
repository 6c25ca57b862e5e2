/** Grades many studies with one loaded model. The next study is read while the device grades the present one. */
import type { InputSeries } from '../data/input.js';
import type { Device } from '../engine/device.js';
import { SpinegradError } from '../error.js';
import type { Model } from '../model/bundle.js';
import { type PredictOptions, predict, readStudy } from './predict.js';
import type { Prediction } from './prediction.js';

/** A study that cannot be graded. */
export interface FailedStudy {
  input: string;
  code: string;
  message: string;
}

export type StudyOutcome = Prediction | FailedStudy;

/** Whether a study could not be graded. */
export const isFailed = (outcome: Pick<StudyOutcome, 'input'>): outcome is FailedStudy =>
  'message' in outcome;

/**
 * Grades studies in order. A study that cannot be read or graded is returned as a `FailedStudy`, and the next one follows.
 *
 * @param inputs as `PredictOptions.input`
 * @throws the reason of `signal`, which stops the work between its steps
 *
 * @example
 * const model = await loadModel('runs/demo', device);
 * for await (const outcome of predictMany(device, model, ['a/', 'b/'])) console.log(JSON.stringify(outcome));
 * model.dispose();
 */
export async function* predictMany(
  device: Device,
  model: Model,
  inputs: readonly string[],
  { spacing, signal }: Pick<PredictOptions, 'spacing' | 'signal'> = {},
): AsyncGenerator<StudyOutcome, void, undefined> {
  const read = (index: number): Promise<InputSeries | FailedStudy> | null => {
    const input = inputs[index];
    return input === undefined
      ? null
      : readStudy(model.description, { input, spacing }).catch((error) => failed(input, error));
  };
  let next = read(0);
  for (const [index, input] of inputs.entries()) {
    signal?.throwIfAborted();
    const series = (await next)!;
    next = read(index + 1);
    if ('code' in series) yield series;
    else
      yield await predict(device, { input, model, study: series, signal }).then(
        ({ prediction }) => prediction,
        (error) => failed(input, error),
      );
  }
}

/** @throws `error` if it is not a SpinegradError: the program is wrong, not the study */
function failed(input: string, error: unknown): FailedStudy {
  if (!(error instanceof SpinegradError)) throw error;
  return { input, code: error.code, message: error.message };
}
