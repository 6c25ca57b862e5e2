import { SpinegradError } from '../../error.js';
import { record } from '../autograd.js';
import { expectNumber, expectOneOf, expectTensor, TEMPERATURE } from '../check.js';
import type { Tensor } from '../tensor.js';

export interface InfoNCEOptions {
  /** Fixed temperature, from 1e-6 to 1e6. Default 0.07. */
  temperature?: number;
  /** Instead of `temperature`: a scalar tensor [1] to learn, log(1 / temperature), as CLIP has it. */
  logScale?: Tensor;
  /** Where the mean over the positives stands. Default outside. */
  mean?: 'outside' | 'inside';
}

/**
 * Contrastive loss with any number of positives a row: other rows with the same label. With s_ia = e_i . e_a /
 * temperature, P(i) the positives of row i and Z_i = log(sum over a != i of exp(s_ia)), a row's loss is
 *
 * - mean `outside` the logarithm: -(1 / |P(i)|) sum over p in P(i) of (s_ip - Z_i), which is L_out of Khosla et al.,
 *   "Supervised Contrastive Learning" (2020), equation 2;
 * - mean `inside`: -log(sum over p in P(i) of exp(s_ip) / exp(Z_i)), which is MIL-NCE (Miech et al. 2020, equation 1).
 *   L_in of Khosla et al. is larger by log |P(i)|, a constant.
 *
 * The result is the mean over the rows that have a positive; a row without one serves the others as a negative.
 * Memory grows with N, not with its square. A batch without any positive rejects the next read with
 * `ERR_NO_POSITIVES`.
 *
 * @param embeddings [N, D], rows of length 1: see l2Normalize
 * @param labels int32 [N]
 * @returns the loss [1]
 */
export function infoNCE(embeddings: Tensor, labels: Tensor, options: InfoNCEOptions = {}): Tensor {
  const [n] = expectTensor('infoNCE', 'embeddings', embeddings, { shape: [null, null] }) as [number];
  const { device } = embeddings;
  expectTensor('infoNCE', 'labels', labels, { dtype: 'int32', shape: [n], device });
  const { logScale, temperature, mean = 'outside' } = options ?? {};
  if (logScale) {
    expectTensor('infoNCE', 'logScale', logScale, { shape: [1], device });
    if (temperature !== undefined) {
      throw new SpinegradError(
        'ERR_ARGUMENT',
        'infoNCE(): temperature and logScale are two forms of one parameter; give one of them',
      );
    }
  }
  const inside = expectOneOf('infoNCE', 'mean', mean, ['outside', 'inside']) === 'inside';
  const attributes = [
    expectNumber('infoNCE', 'temperature', temperature ?? 0.07, TEMPERATURE),
    Number(inside),
  ];
  const loss = device.empty([1]);
  const logSum = device.empty([n]);
  const positiveLogSum = inside ? device.empty([n]) : undefined;
  device.run('infoNCE.forward', [embeddings, labels, logScale], [loss, logSum, positiveLogSum], attributes);
  return record(
    loss,
    logScale ? [embeddings, logScale] : [embeddings],
    positiveLogSum ? [logSum, positiveLogSum] : [logSum],
    (gradient, [needsEmbeddings, needsLogScale]) => {
      const de = device.empty(embeddings.shape);
      const dLogScale = needsLogScale ? device.empty([1]) : undefined;
      device.run(
        'infoNCE.backward',
        [embeddings, labels, logScale, logSum, positiveLogSum, gradient],
        [de, dLogScale],
        attributes,
      );
      if (!needsEmbeddings) de.dispose();
      return [needsEmbeddings ? de : undefined, dLogScale];
    },
  );
}
