import { expectArguments, optionsOf } from '../../arguments.js';
import { SpinegradError } from '../../error.js';
import { record } from '../autograd.js';
import { expectNumber, expectOneOf, TEMPERATURE } from '../check.js';
import { contract } from '../contract.js';
import { expectTensor, type Tensor } from '../tensor.js';

const MEANS = ['outside', 'inside'] as const;
const FORWARD = contract('infoNCE.forward', {
  embeddings: 'input',
  labels: 'input',
  logScale: 'input?',
  loss: 'output',
  logSum: 'output',
  positiveLogSum: 'output?',
  temperature: 'real',
  mean: MEANS,
});
const BACKWARD = contract('infoNCE.backward', {
  embeddings: 'input',
  labels: 'input',
  logScale: 'input?',
  logSum: 'input',
  positiveLogSum: 'input?',
  dy: 'input',
  dEmbeddings: 'output',
  dLogScale: 'output?',
  temperature: 'real',
  mean: MEANS,
});

export interface InfoNCEOptions {
  /** Fixed temperature, from 1e-6 to 1e6. Default 0.07. */
  temperature?: number;
  /** Replaces `temperature`: a learned scalar tensor [1], log(1 / temperature), as in CLIP. */
  logScale?: Tensor;
  /** Whether the mean over the positives is outside or inside the logarithm. Default outside. */
  mean?: (typeof MEANS)[number];
}

/** @internal Defaults; the temperature is 0.07 without `logScale`. */
export const INFO_NCE = { temperature: undefined, logScale: undefined, mean: 'outside' };

/**
 * Contrastive loss with any number of positives per row: the other rows with the same label. With s_ia = e_i . e_a /
 * temperature, P(i) the positives of row i and Z_i = log(sum over a != i of exp(s_ia)), a row's loss is
 *
 * - mean `outside` the logarithm: -(1 / |P(i)|) sum over p in P(i) of (s_ip - Z_i), which is L_out of Khosla et al.,
 *   "Supervised Contrastive Learning" (2020), equation 2;
 * - mean `inside`: -log(sum over p in P(i) of exp(s_ip) / exp(Z_i)), which is MIL-NCE (Miech et al. 2020, equation 1).
 *   L_in of Khosla et al. is larger by log |P(i)|, a constant.
 *
 * The result is the mean over the rows that have a positive. A row without one is only a negative of the others.
 * Memory grows with N, not with its square. If no row has a positive, the next read rejects with
 * `ERR_NO_POSITIVES`.
 *
 * @param embeddings [N, D], rows of length 1: see l2Normalize
 * @param labels int32 [N]
 * @returns the loss [1]
 *
 * @example
 * const embeddings = l2Normalize(projection.forward(views)); // [4, D]
 * const loss = infoNCE(embeddings, device.tensor(Int32Array.of(0, 1, 0, 1)), { temperature: 0.1 });
 */
export function infoNCE(embeddings: Tensor, labels: Tensor, options: InfoNCEOptions = {}): Tensor {
  expectArguments('infoNCE', arguments.length, 3);
  const { logScale, temperature: given, mean } = optionsOf('infoNCE', options, INFO_NCE);
  const [n] = expectTensor('infoNCE', 'embeddings', embeddings, { shape: [null, null] }) as [number];
  const { device } = embeddings;
  expectTensor('infoNCE', 'labels', labels, { dtype: 'int32', shape: [n], device });
  if (logScale) {
    expectTensor('infoNCE', 'logScale', logScale, { shape: [1], device });
    if (given !== undefined) {
      throw new SpinegradError(
        'ERR_ARGUMENT',
        'infoNCE(): temperature and logScale were both given; give one of them',
      );
    }
  }
  const inside = expectOneOf('infoNCE', 'mean', mean, MEANS) === 'inside';
  const temperature = expectNumber('infoNCE', 'temperature', given ?? 0.07, TEMPERATURE);
  const loss = device.empty([1]);
  const logSum = device.empty([n]);
  const positiveLogSum = inside ? device.empty([n]) : undefined;
  device.run(FORWARD, {
    embeddings,
    labels,
    logScale,
    loss,
    logSum,
    positiveLogSum,
    temperature,
    mean,
  });
  return record(
    loss,
    logScale ? [embeddings, logScale] : [embeddings],
    positiveLogSum ? [logSum, positiveLogSum] : [logSum],
    (dy, [needsEmbeddings, needsLogScale]) => {
      const dEmbeddings = device.empty(embeddings.shape);
      const dLogScale = needsLogScale ? device.empty([1]) : undefined;
      device.run(BACKWARD, {
        embeddings,
        labels,
        logScale,
        logSum,
        positiveLogSum,
        dy,
        dEmbeddings,
        dLogScale,
        temperature,
        mean,
      });
      if (!needsEmbeddings) dEmbeddings.dispose();
      return [needsEmbeddings ? dEmbeddings : undefined, dLogScale];
    },
  );
}
