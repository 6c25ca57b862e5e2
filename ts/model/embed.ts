/** The embeddings of crops: what the heads of a grader see. */
import { noGrad } from '../engine/autograd.js';
import { expectFinite } from '../engine/finite.js';
import { tidy } from '../engine/tidy.js';
import { type DiscEncoder, encode } from './fusion/encoder.js';
import type { EncoderInput } from './fusion/input.js';

/**
 * The embeddings of batches of discs; rows of `encoder.features` values.
 *
 * @param encoder in eval mode
 * @param makeViews as in `gradeViews`
 * @throws SpinegradError ERR_NOT_FINITE if a value is NaN or infinite
 *
 * @example
 * const { values, length } = await embeddingsOf(grader.encoder, cropInputs(device, crops, input));
 */
export async function embeddingsOf(
  encoder: DiscEncoder,
  makeViews: readonly (() => EncoderInput)[],
): Promise<{ values: Float32Array; length: number }> {
  const batches: Float32Array[] = [];
  for (const makeBatch of makeViews) {
    using embeddings = noGrad(() => tidy(() => encode(encoder, makeBatch())));
    batches.push((await embeddings.data()) as Float32Array);
  }
  const values = new Float32Array(batches.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const batch of batches) {
    values.set(batch, at);
    at += batch.length;
  }
  expectFinite(
    values,
    'embeddings',
    'lower the learning rate of the training; the input may overflow float32',
  );
  return { values, length: encoder.features };
}
