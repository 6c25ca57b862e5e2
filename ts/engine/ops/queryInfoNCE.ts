import { expectArguments, optionsOf } from '../../arguments.js';
import { SpinegradError } from '../../error.js';
import { record } from '../autograd.js';
import { expectNumber, expectOneOf, TEMPERATURE } from '../check.js';
import { contract } from '../contract.js';
import { expectTensor, type Tensor } from '../tensor.js';
import { INFO_NCE, type InfoNCEOptions } from './infoNCE.js';

const MEANS = ['outside', 'inside'] as const;
const INPUTS = {
  queries: 'input',
  labels: 'input',
  keys: 'input',
  keyLabels: 'input',
  logScale: 'input?',
} as const;
const FORWARD = contract('queryInfoNCE.forward', {
  ...INPUTS,
  loss: 'output',
  logSum: 'output',
  positiveLogSum: 'output?',
  temperature: 'real',
  mean: MEANS,
});
const BACKWARD = contract('queryInfoNCE.backward', {
  ...INPUTS,
  logSum: 'input',
  positiveLogSum: 'input?',
  dy: 'input',
  dQueries: 'output',
  dLogScale: 'output?',
  temperature: 'real',
  mean: MEANS,
});

/**
 * Contrastive loss of queries against constant keys, such as a memory queue (He et al., "Momentum contrast for unsupervised
 * visual representation learning", CVPR 2020), with any number of positives per query: the keys with its label. It is
 * `infoNCE` with s_ij = q_i . k_j / temperature and the sums over all keys. The keys get no gradient. The result is the mean
 * over the queries that have a positive; a query without one is left out. Memory grows with N + M, not with N M. If no query
 * has a positive, the next read rejects with `ERR_NO_POSITIVES`.
 *
 * @param queries [N, D], rows of length 1: see l2Normalize
 * @param labels int32 [N]
 * @param keys [M, D], without gradient
 * @param keyLabels int32 [M]
 * @returns the loss [1]
 * @throws SpinegradError ERR_SHAPE, ERR_DTYPE, ERR_ARGUMENT
 *
 * @example
 * const loss = queryInfoNCE(queries, device.tensor(Int32Array.of(4, 7)), keys, keyLabels, { temperature: 0.1 });
 */
export function queryInfoNCE(
  queries: Tensor,
  labels: Tensor,
  keys: Tensor,
  keyLabels: Tensor,
  options: InfoNCEOptions = {},
): Tensor {
  expectArguments('queryInfoNCE', arguments.length, 5);
  const { logScale, temperature: given, mean } = optionsOf('queryInfoNCE', options, INFO_NCE);
  const [n, d] = expectTensor('queryInfoNCE', 'queries', queries, { shape: [null, null] }) as [
    number,
    number,
  ];
  const { device } = queries;
  expectTensor('queryInfoNCE', 'labels', labels, { dtype: 'int32', shape: [n], device });
  const [m] = expectTensor('queryInfoNCE', 'keys', keys, { shape: [null, d], device }) as [number];
  expectTensor('queryInfoNCE', 'keyLabels', keyLabels, { dtype: 'int32', shape: [m], device });
  if (logScale) {
    expectTensor('queryInfoNCE', 'logScale', logScale, { shape: [1], device });
    if (given !== undefined) {
      throw new SpinegradError(
        'ERR_ARGUMENT',
        'queryInfoNCE(): temperature and logScale were both given; give one of them',
      );
    }
  }
  const inside = expectOneOf('queryInfoNCE', 'mean', mean, MEANS) === 'inside';
  const temperature = expectNumber('queryInfoNCE', 'temperature', given ?? 0.07, TEMPERATURE);
  const loss = device.empty([1]);
  const logSum = device.empty([n]);
  const positiveLogSum = inside ? device.empty([n]) : undefined;
  const inputs = { queries, labels, keys, keyLabels, logScale, temperature, mean };
  device.run(FORWARD, { ...inputs, loss, logSum, positiveLogSum });
  const saved = positiveLogSum ? [logSum, positiveLogSum] : [logSum];
  return record(
    loss,
    logScale ? [queries, logScale] : [queries],
    saved,
    (dy, [needsQueries, needsLogScale]) => {
      const dQueries = device.empty(queries.shape);
      const dLogScale = needsLogScale ? device.empty([1]) : undefined;
      device.run(BACKWARD, { ...inputs, logSum, positiveLogSum, dy, dQueries, dLogScale });
      if (!needsQueries) dQueries.dispose();
      return [needsQueries ? dQueries : undefined, dLogScale];
    },
  );
}
