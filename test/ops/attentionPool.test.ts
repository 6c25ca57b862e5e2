import { expect, it } from 'vitest';
import { openDevice } from '#spinegrad/engine/openDevice.js';
import { attentionPool } from '#spinegrad/engine/ops/attentionPool.js';
import { DEVICE } from '../device.js';
import { describeOperation, type Input, normals, type Reference } from './descriptor.js';

function reference({ embeddings, scores, mask }: Record<string, Reference>): number[] {
  const [groups, instances] = mask!.shape as [number, number];
  const features = embeddings!.values.length / (groups * instances);
  const y: number[] = [];
  for (let n = 0; n < groups; n++) {
    const present = [...Array(instances).keys()].map((k) => n * instances + k).filter((k) => mask!.values[k]);
    const max = Math.max(...present.map((k) => scores!.values[k]!));
    const exponentials = present.map((k) => Math.exp(scores!.values[k]! - max));
    const total = exponentials.reduce((a, b) => a + b);
    for (let f = 0; f < features; f++) {
      y.push(
        present.reduce(
          (sum, k, i) => sum + (exponentials[i]! / total) * embeddings!.values[k * features + f]!,
          0,
        ),
      );
    }
  }
  return y;
}

const masked = (shape: readonly [number, number], values: readonly number[]): Input => ({
  shape,
  values: Uint8Array.from(values),
});
const complete = (n: number, k: number): Input => masked([n, k], Array(n * k).fill(1));

describeOperation({
  name: 'attentionPool',
  run: ({ embeddings, scores, mask }) => attentionPool(embeddings!, scores!, mask!),
  reference,
  differentiable: ['embeddings', 'scores'],
  tolerance: {
    units: 16,
    gradientUnits: 32,
    reason: 'exp and the division round a weight by 3 u, and the pooling adds up to nine products',
  },
  golden: true,
  cases: [
    {
      name: 'complete groups',
      inputs: { embeddings: normals([15, 7], 1), scores: normals([15], 2, 2), mask: complete(5, 3) },
    },
    {
      name: 'scores as a column, several warps of features',
      inputs: { embeddings: normals([8, 100], 3), scores: normals([8, 1], 4), mask: complete(2, 4) },
    },
    {
      name: 'instances side by side',
      inputs: {
        embeddings: normals([2, 12], 11),
        scores: normals([2, 3], 12),
        mask: masked([2, 3], [1, 1, 0, 1, 1, 1]),
      },
    },
    {
      name: 'one instance',
      inputs: { embeddings: normals([3, 5], 5), scores: normals([3], 6), mask: complete(3, 1) },
      tolerance: { units: 1, reason: 'the weight is 1' },
    },
    {
      name: 'masked instances',
      inputs: {
        embeddings: normals([9, 4], 7),
        scores: normals([9], 8),
        mask: masked([3, 3], [1, 0, 1, 0, 0, 1, 1, 1, 1]),
      },
    },
    {
      name: 'NaN and infinity in masked instances',
      inputs: {
        embeddings: { shape: [4, 2], values: [1, 2, Number.NaN, Infinity, -Infinity, Number.NaN, 3, -1] },
        scores: { shape: [4], values: [0.5, Number.NaN, Infinity, 1] },
        mask: masked([2, 2], [1, 0, 0, 1]),
      },
    },
    {
      name: 'extreme scores',
      inputs: {
        embeddings: normals([6, 3], 9),
        scores: { shape: [6], values: [1e4, -1e4, 0, -500, -500.5, -501] },
        mask: complete(2, 3),
      },
    },
    {
      name: 'more groups than a block has threads',
      inputs: { embeddings: normals([600, 3], 10), scores: normals([600], 11), mask: complete(300, 2) },
    },
    {
      name: 'a gradient for the scores only',
      inputs: { embeddings: normals([6, 5], 12), scores: normals([6, 1], 13), mask: complete(2, 3) },
      differentiable: ['scores'],
    },
    {
      name: 'a gradient for the embeddings only',
      inputs: { embeddings: normals([6, 5], 14), scores: normals([6], 15), mask: complete(2, 3) },
      differentiable: ['embeddings'],
    },
  ],
  refusals: [
    {
      name: 'scores of another length',
      code: 'ERR_SHAPE',
      call: (device) =>
        attentionPool(device.zeros([4, 2]), device.zeros([3]), device.tensor(new Uint8Array(4), [2, 2])),
    },
    {
      name: 'a mask of another size',
      code: 'ERR_SHAPE',
      call: (device) =>
        attentionPool(device.zeros([4, 2]), device.zeros([4]), device.tensor(new Uint8Array(6), [2, 3])),
    },
    {
      name: 'a float mask',
      code: 'ERR_DTYPE',
      call: (device) => attentionPool(device.zeros([4, 2]), device.zeros([4]), device.zeros([2, 2])),
    },
    {
      name: 'a group without an instance',
      code: 'ERR_EMPTY_GROUP',
      at: 'read',
      call: (device) =>
        attentionPool(
          device.zeros([4, 2]),
          device.zeros([4]),
          device.tensor(Uint8Array.of(1, 0, 0, 0), [2, 2]),
        ),
    },
  ],
});

it('attentionPool names the first group without an instance', async () => {
  using device = await openDevice(DEVICE);
  const mask = new Uint8Array(1200).fill(1);
  for (const group of [433, 401, 512]) mask.fill(0, 2 * group, 2 * group + 2);
  using y = attentionPool(device.zeros([1200, 2]), device.zeros([1200]), device.tensor(mask, [600, 2]));
  await expect(y.data()).rejects.toThrow('attentionPool(): mask: group 401 has no instance');
});

it('attentionPool returns NaN for a group with a NaN score', async () => {
  using device = await openDevice(DEVICE);
  for (const at of [0, 1]) {
    const scores = Float32Array.of(1, 2, 3, 4);
    scores[at] = Number.NaN;
    using y = attentionPool(
      device.full([4, 1], 1),
      device.tensor(scores),
      device.tensor(Uint8Array.of(1, 1, 1, 1), [2, 2]),
    );
    expect(await y.data()).toEqual(Float32Array.of(Number.NaN, 1));
  }
});
