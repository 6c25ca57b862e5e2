import { expectArguments } from '../../arguments.js';
import { SpinegradError } from '../../error.js';
import { record } from '../autograd.js';
import { contract } from '../contract.js';
import { expectTensor, type Tensor } from '../tensor.js';

const FORWARD = contract('attentionPool.forward', {
  embeddings: 'input',
  scores: 'input',
  mask: 'input',
  y: 'output',
  weights: 'output',
});
const BACKWARD = contract('attentionPool.backward', {
  embeddings: 'input',
  weights: 'input',
  dy: 'input',
  dEmbeddings: 'output?',
  dScores: 'output?',
});

/**
 * Attention pooling over the instances of a group (Ilse, Tomczak and Welling, "Attention-based Deep Multiple Instance
 * Learning", 2018): y [N, F] with y_n = sum over k of a_nk h_nk and a_n = softmax over k of the scores.
 *
 * Gradients flow into embeddings and scores. A masked instance has weight 0 and gradient 0, even if its values are NaN.
 * If a group has no instance, the next read rejects with `ERR_EMPTY_GROUP`.
 *
 * @param embeddings h, float32 [N K, F]: K rows per group, group by group; or [N, K F], as `concat` joins K instances
 * @param scores float32 [N K] or [N K, 1]; or [N, K]
 * @param mask uint8 [N, K]: 0 if instance k of group n is missing, else 1
 *
 * @example
 * const mask = device.tensor(Uint8Array.of(1, 1, 0, 1), [2, 2]);
 * attentionPool(device.full([4, 512], 1), device.zeros([4, 1]), mask).shape; // [2, 512]
 */
export function attentionPool(embeddings: Tensor, scores: Tensor, mask: Tensor): Tensor {
  expectArguments('attentionPool', arguments.length, 3);
  const [rows, columns] = expectTensor('attentionPool', 'embeddings', embeddings, {
    shape: [null, null],
  }) as [number, number];
  const { device } = embeddings;
  const [n, k] = expectTensor('attentionPool', 'mask', mask, {
    dtype: 'uint8',
    shape: [null, null],
    device,
  }) as [number, number];
  const joined = rows === n && k > 1;
  if (joined ? columns % k !== 0 : n * k !== rows) {
    throw new SpinegradError(
      'ERR_SHAPE',
      `attentionPool(): embeddings: expected shape [${n * k}, F] or [${n}, ${k} F] for a mask [${n}, ${k}], found ` +
        `[${rows}, ${columns}]`,
    );
  }
  const features = joined ? columns / k : columns;
  const column = scores?.shape?.length === 2;
  const shape = joined ? [n, k] : column ? [rows, 1] : [rows];
  expectTensor('attentionPool', 'scores', scores, { shape, device });
  const y = device.empty([n, features]);
  const weights = device.empty([n, k]);
  device.run(FORWARD, { embeddings, scores, mask, y, weights });
  return record(y, [embeddings, scores], [weights], (dy, [needsEmbeddings, needsScores]) => {
    const dEmbeddings = needsEmbeddings ? device.empty(embeddings.shape) : undefined;
    const dScores = needsScores ? device.empty(scores.shape) : undefined;
    device.run(BACKWARD, { embeddings, weights, dy, dEmbeddings, dScores });
    return [dEmbeddings, dScores];
  });
}
