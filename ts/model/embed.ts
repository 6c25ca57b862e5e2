/** The embeddings of crops: what the heads of a grader see. */
import { noGrad } from '../engine/autograd.js';
import { expectFinite } from '../engine/finite.js';
import { tidy } from '../engine/tidy.js';
import { encode } from './fusion/encoder.js';
import type { EncoderInput } from './fusion/input.js';
import type { Grader } from './grader.js';

/**
 * The embeddings of batches of discs.
 *
 * @param grader in eval mode
 * @param makeViews as in `gradeViews`
 * @returns float32 [discs, encoder.features]
 * @throws SpinegradError ERR_NOT_FINITE if a value is NaN or infinite
 *
 * @example
 * const { shape, data } = await embeddingsOf(grader, cropInputs(device, crops, input));
 */
export async function embeddingsOf(
  grader: Grader,
  makeViews: readonly (() => EncoderInput)[],
): Promise<{ shape: [discs: number, features: number]; data: Float32Array }> {
  const batches: Float32Array[] = [];
  for (const makeBatch of makeViews) {
    using embeddings = noGrad(() => tidy(() => encode(grader.encoder, makeBatch())));
    const values = (await embeddings.data()) as Float32Array;
    expectFinite(values, 'grader: embeddings', 'the training diverged, or the input overflows float32');
    batches.push(values);
  }
  const { features } = grader.encoder;
  const data = new Float32Array(batches.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const batch of batches) {
    data.set(batch, at);
    at += batch.length;
  }
  return { shape: [data.length / features, features], data };
}
