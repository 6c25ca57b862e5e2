import { expect, it } from 'vitest';
import { backward } from '#spinegrad/engine/autograd.js';
import { openDevice } from '#spinegrad/engine/openDevice.js';
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

function logSumExp(values: number[]): number {
  const max = Math.max(...values);
  return max + Math.log(values.reduce((total, value) => total + Math.exp(value - max), 0));
}

function reference({ embeddings, labels, logScale }: Record<string, Reference>, options: Options): number[] {
  const [rows, features] = embeddings!.shape as [number, number];
  const scale = logScale ? Math.exp(logScale.values[0]!) : 1 / (options.temperature ?? 0.07);
  const row = (i: number): Float64Array => embeddings!.values.subarray(i * features, (i + 1) * features);
  let total = 0;
  let anchors = 0;
  for (let i = 0; i < rows; i++) {
    const others: number[] = [];
    const positives: number[] = [];
    for (let j = 0; j < rows; j++) {
      if (j === i) continue;
      const s = scale * row(i).reduce((dot, value, d) => dot + value * row(j)[d]!, 0);
      others.push(s);
      if (labels!.values[i] === labels!.values[j]) positives.push(s);
    }
    if (positives.length === 0) continue;
    anchors++;
    const z = logSumExp(others);
    total +=
      options.mean === 'inside'
        ? z - logSumExp(positives)
        : z - positives.reduce((a, b) => a + b) / positives.length;
  }
  return [total / anchors];
}

/** Random rows of unit length. */
function unitRows(rows: number, features: number, seed: number): Input {
  const { values } = normals([rows, features], seed);
  return {
    shape: [rows, features],
    values: values.map((value, i) => {
      const first = Math.floor(i / features) * features;
      return value / Math.hypot(...values.slice(first, first + features));
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
      'a similarity of up to 1 / temperature rounds by as many u, at most 14; the gradient uses it as an exponent, ' +
      'subtracts the target from the softmax, which cancels, and adds 300 such terms',
  },
  golden: true,
  cases: forms.flatMap((options): OperationCase<Options>[] => [
    {
      name: `${options.mean}: a pair`,
      inputs: { embeddings: unitRows(3, 4, 1), labels: { shape: [3], values: Int32Array.of(5, 5, -7) } },
      options,
    },
    {
      name: `${options.mean}: many positives, some rows without`,
      inputs: { embeddings: unitRows(33, 17, 2), labels: labels([33], 3, 12) },
      options,
    },
    {
      name: `${options.mean}: several tiles`,
      inputs: { embeddings: unitRows(200, 8, 4), labels: labels([200], 5, 40) },
      options: { mean: options.mean!, temperature: 0.07 },
    },
    {
      name: `${options.mean}: four rows of odd length in the last tile`,
      inputs: { embeddings: unitRows(100, 5, 8), labels: labels([100], 11, 30) },
      options,
    },
    {
      name: `${options.mean}: one class`,
      inputs: { embeddings: unitRows(9, 5, 6), labels: { shape: [9], values: new Int32Array(9) } },
      options,
    },
    {
      name: `${options.mean}: learned temperature`,
      inputs: {
        embeddings: unitRows(20, 6, 7),
        labels: labels([20], 8, 6),
        logScale: { shape: [1], values: [1.5] },
      },
      options: { mean: options.mean! },
      differentiable: ['embeddings', 'logScale'],
    },
    {
      name: `${options.mean}: a temperature at which exp(s) would overflow`,
      inputs: { embeddings: unitRows(12, 5, 9), labels: labels([12], 10, 4) },
      options: { mean: options.mean!, temperature: 0.002 },
      tolerance: {
        units: 32,
        gradientUnits: 4096,
        reason: 'similarities up to 500 round by as many u in an exponent',
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
      name: 'a batch of one row',
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
      name: 'both temperature and logScale',
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

/** Returns loss and gradient of 2,048 rows, and the peak memory. */
async function run2048Rows(threads: number): Promise<{ values: Float32Array[]; peakBytes: number }> {
  using device = await openDevice('cpu', { threads });
  const { shape, values } = unitRows(2048, 16, 1);
  const embeddings = device.tensor(values, shape).keep();
  embeddings.requiresGrad = true;
  const loss = infoNCE(embeddings, device.tensor(labels([2048], 2, 700).values as Int32Array)).keep();
  backward(loss);
  const results = [await loss.data(), await embeddings.grad!.data()];
  return { values: results, peakBytes: device.memory().peakBytes };
}

it('infoNCE needs less than an eighth of the memory of the similarity matrix', async () => {
  const { peakBytes } = await run2048Rows(1);
  expect(peakBytes).toBeLessThan((2048 * 2048 * 4) / 8);
});

it('infoNCE gives the same bits with one and three threads', async () => {
  expect((await run2048Rows(3)).values).toEqual((await run2048Rows(1)).values);
});
