/** Grades of normalised views and of crops. */
import { noGrad } from '../engine/autograd.js';
import type { Device } from '../engine/device.js';
import { expectFinite } from '../engine/finite.js';
import { augment } from '../engine/ops/augment.js';
import { type Tensor, tidy } from '../engine/tensor.js';
import { batches } from './batches.js';
import type { Grader } from './grader.js';
import type { Normalisation } from './normalisation.js';

/** Discs per batch. */
export const GRADING_BATCH = 64;

const ADVICE = 'the weights come from a training that diverged, or the input overflows float32';

/**
 * Grades batches of normalised views.
 *
 * @param makeViews each makes one batch [N, 1, S, S]
 * @returns the probabilities of the grades, per task and view
 * @throws SpinegradError ERR_NOT_FINITE if a logit or a probability is NaN or infinite
 */
export async function gradeViews(
  grader: Grader,
  makeViews: readonly (() => Tensor)[],
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

/**
 * Grades crops that are not in a bank.
 *
 * @param crops uint16 [N, size, size]
 * @returns the probabilities of the grades, per task and crop
 * @throws SpinegradError ERR_NOT_FINITE as `gradeViews`
 */
export function gradeCrops(
  device: Device,
  grader: Grader,
  crops: Uint16Array,
  size: number,
  normalisation: Normalisation,
): Promise<number[][][]> {
  const count = crops.length / (size * size);
  const indices = Array.from({ length: count }, (_, index) => index);
  const makeViews = batches(indices, GRADING_BATCH).map((batch) => () => {
    const pixels = crops.subarray(batch[0]! * size * size, (batch.at(-1)! + 1) * size * size);
    return tidy(() =>
      augment(
        device.tensor(pixels, [batch.length, size, size]),
        device.tensor(Int32Array.from(batch, (_, index) => index)),
        { seed: 0, step: 0 },
        normalisation,
      ),
    );
  });
  return gradeViews(grader, makeViews);
}
