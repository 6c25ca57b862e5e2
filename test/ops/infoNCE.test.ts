import { expect, it } from 'vitest';
import { backward } from '#spinegrad/engine/autograd.js';
import { openDevice } from '#spinegrad/engine/device.js';
import { type InfoNCEOptions, infoNCE } from '#spinegrad/engine/ops/infoNCE.js';
import {
  describeOperation,
  type Input,
  labels,
  normals,
  type OperationCase,
  type Reference,
} from './descriptor.js';

type Options = Pick<InfoNCEOptions, 'temperature' | 'mean'>;

function logSum(values: number[]): number {
  const most = Math.max(...values);
  return most + Math.log(values.reduce((total, value) => total + Math.exp(value - most), 0));
}

function reference({ embeddings, labels, logScale }: Record<string, Reference>, options: Options): number[] {
  const [rows, depth] = embeddings!.shape as [number, number];
  const scale = logScale ? Math.exp(logScale.values[0]!) : 1 / (options.temperature ?? 0.07);
  const row = (i: number): Float64Array => embeddings!.values.subarray(i * depth, (i + 1) * depth);
  let total = 0;
  let counted = 0;
  for (let i = 0; i < rows; i++) {
    const all: number[] = [];
    const positives: number[] = [];
    for (let j = 0; j < rows; j++) {
      if (j === i) continue;
      const s = scale * row(i).reduce((dot, value, d) => dot + value * row(j)[d]!, 0);
      all.push(s);
      if (labels!.values[i] === labels!.values[j]) positives.push(s);
    }
    if (positives.length === 0) continue;
    counted++;
    const z = logSum(all);
    total +=
      options.mean === 'inside'
        ? z - logSum(positives)
        : z - positives.reduce((a, b) => a + b) / positives.length;
  }
  return [total / counted];
}

/** Rows of length 1. */
function directions(rows: number, depth: number, seed: number): Input {
  const { values } = normals([rows, depth], seed);
  return {
    shape: [rows, depth],
    values: values.map((value, i) => {
      const first = Math.floor(i / depth) * depth;
      return value / Math.hypot(...values.slice(first, first + depth));
    }),
  };
}

const forms: Options[] = [
  { mean: 'outside', temperature: 0.2 },
  { mean: 'inside', temperature: 0.2 },
];

describeOperation<Options>({
  name: 'infoNCE',
  run: ({ embeddings, labels, logScale }, options) =>
    infoNCE(embeddings!, labels!, { ...options, ...(logScale && { logScale }) }),
  reference,
  differentiable: ['embeddings'],
  tolerance: {
    units: 32,
    gradientUnits: 256,
    reason:
      'a similarity of size 1 / temperature rounds by that many u, 14 at most, in the value and as an exponent in the ' +
      'gradient; a softmax minus its target cancels, and 300 such are added',
  },
  golden: true,
  cases: forms.flatMap((options): OperationCase<Options>[] => [
    {
      name: `${options.mean}: a pair`,
      inputs: { embeddings: directions(3, 4, 1), labels: { shape: [3], values: Int32Array.of(5, 5, -7) } },
      options,
    },
    {
      name: `${options.mean}: many positives, and rows without any`,
      inputs: { embeddings: directions(33, 17, 2), labels: labels([33], 3, 12) },
      options,
    },
    {
      name: `${options.mean}: several tiles`,
      inputs: { embeddings: directions(200, 8, 4), labels: labels([200], 5, 40) },
      options: { mean: options.mean!, temperature: 0.07 },
    },
    {
      name: `${options.mean}: four rows in the last tile, of odd length`,
      inputs: { embeddings: directions(100, 5, 8), labels: labels([100], 11, 30) },
      options,
    },
    {
      name: `${options.mean}: one class`,
      inputs: { embeddings: directions(9, 5, 6), labels: { shape: [9], values: new Int32Array(9) } },
      options,
    },
    {
      name: `${options.mean}: learned temperature`,
      inputs: {
        embeddings: directions(20, 6, 7),
        labels: labels([20], 8, 6),
        logScale: { shape: [1], values: [1.5] },
      },
      options: { mean: options.mean! },
      differentiable: ['embeddings', 'logScale'],
    },
    {
      name: `${options.mean}: a temperature at which exp(s) would overflow`,
      inputs: { embeddings: directions(12, 5, 9), labels: labels([12], 10, 4) },
      options: { mean: options.mean!, temperature: 0.002 },
      tolerance: {
        units: 32,
        gradientUnits: 4096,
        reason: 'similarities of size 500 round by as many u in an exponent',
      },
    },
  ]),
  refusals: [
    {
      name: 'a batch without positives',
      code: 'ERR_NO_POSITIVES',
      at: 'read',
      call: (device) => infoNCE(device.zeros([3, 2]), device.tensor(Int32Array.of(1, 2, 3))),
    },
    {
      name: 'a batch of one',
      code: 'ERR_NO_POSITIVES',
      at: 'read',
      call: (device) => infoNCE(device.zeros([1, 2]), device.tensor(Int32Array.of(1))),
    },
    {
      name: 'labels of float32',
      code: 'ERR_DTYPE',
      call: (device) => infoNCE(device.zeros([2, 2]), device.zeros([2])),
    },
    {
      name: 'too few labels',
      code: 'ERR_SHAPE',
      call: (device) => infoNCE(device.zeros([2, 2]), device.tensor(Int32Array.of(1))),
    },
    {
      name: 'temperature 0',
      code: 'ERR_ARGUMENT',
      call: (device) => infoNCE(device.zeros([2, 2]), device.tensor(Int32Array.of(1, 1)), { temperature: 0 }),
    },
    {
      name: 'two temperatures',
      code: 'ERR_ARGUMENT',
      call: (device) =>
        infoNCE(device.zeros([2, 2]), device.tensor(Int32Array.of(1, 1)), {
          temperature: 1,
          logScale: device.zeros([1]),
        }),
    },
    {
      name: 'an unknown mean',
      code: 'ERR_ARGUMENT',
      call: (device) =>
        infoNCE(device.zeros([2, 2]), device.tensor(Int32Array.of(1, 1)), { mean: 'between' as 'inside' }),
    },
  ],
});

/** Loss and gradient of 2,048 rows, and the peak of memory. */
async function large(threads: number): Promise<{ values: Float32Array[]; peakBytes: number }> {
  using device = await openDevice('cpu', { threads });
  const { shape, values } = directions(2048, 16, 1);
  const embeddings = device.tensor(values, shape).keep();
  embeddings.requiresGrad = true;
  const loss = infoNCE(embeddings, device.tensor(labels([2048], 2, 700).values as Int32Array)).keep();
  backward(loss);
  const results = [await loss.data(), await embeddings.grad!.data()];
  return { values: results, peakBytes: device.memory().peakBytes };
}

it('infoNCE takes memory in proportion to the rows, never to their square', async () => {
  const { peakBytes } = await large(1);
  expect(peakBytes).toBeLessThan((2048 * 2048 * 4) / 8);
});

it('infoNCE gives the same bits with one thread and with three', async () => {
  expect((await large(3)).values).toEqual((await large(1)).values);
});
