import { expect, it } from 'vitest';
import { backward } from '#spinegrad/engine/autograd.js';
import { openDevice } from '#spinegrad/engine/openDevice.js';
import type { InfoNCEOptions } from '#spinegrad/engine/ops/infoNCE.js';
import { queryInfoNCE } from '#spinegrad/engine/ops/queryInfoNCE.js';
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

function reference(
  { queries, labels, keys, keyLabels, logScale }: Record<string, Reference>,
  options: Options,
): number[] {
  const [rows, features] = queries!.shape as [number, number];
  const [columns] = keys!.shape as [number];
  const scale = logScale ? Math.exp(logScale.values[0]!) : 1 / (options.temperature ?? 0.07);
  const row = (of: Reference, i: number) => of.values.subarray(i * features, (i + 1) * features);
  let total = 0;
  let anchors = 0;
  for (let i = 0; i < rows; i++) {
    const all = Array.from(
      { length: columns },
      (_, j) => scale * row(queries!, i).reduce((dot, value, d) => dot + value * row(keys!, j)[d]!, 0),
    );
    const positives = all.filter((_, j) => keyLabels!.values[j] === labels!.values[i]);
    if (positives.length === 0) continue;
    anchors++;
    const attraction =
      options.mean === 'inside' ? logSumExp(positives) : positives.reduce((a, b) => a + b) / positives.length;
    total += logSumExp(all) - attraction;
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

const inputs = (n: number, m: number, features: number, classes: number) => ({
  queries: unitRows(n, features, 1),
  labels: labels([n], 2, classes),
  keys: unitRows(m, features, 3),
  keyLabels: labels([m], 4, classes),
});

describeOperation<Options>({
  name: 'queryInfoNCE',
  run: ({ queries, labels, keys, keyLabels, logScale }, options) =>
    queryInfoNCE(queries!, labels!, keys!, keyLabels!, { ...options, ...(logScale && { logScale }) }),
  reference,
  differentiable: ['queries'],
  tolerance: {
    units: 32,
    gradientUnits: 256,
    reason: 'as infoNCE: similarities of up to 1 / temperature round by as many u in an exponent',
  },
  cases: (['outside', 'inside'] as const).flatMap((mean): OperationCase<Options>[] => [
    { name: `${mean}: one query, two keys`, inputs: inputs(1, 2, 4, 1), options: { mean, temperature: 0.2 } },
    {
      name: `${mean}: more keys than a tile, some queries without a positive`,
      inputs: inputs(20, 600, 17, 300),
      options: { mean, temperature: 0.2 },
    },
    {
      name: `${mean}: more features than a block of the gradient`,
      inputs: inputs(5, 40, 150, 3),
      options: { mean, temperature: 0.1 },
    },
    {
      name: `${mean}: fewer keys than queries`,
      inputs: inputs(33, 5, 8, 4),
      options: { mean, temperature: 0.07 },
    },
    {
      name: `${mean}: learned temperature`,
      inputs: { ...inputs(10, 30, 6, 3), logScale: { shape: [1], values: [1.5] } },
      options: { mean },
      differentiable: ['queries', 'logScale'],
    },
    {
      name: `${mean}: a temperature at which exp(s) would overflow`,
      inputs: inputs(6, 12, 5, 2),
      options: { mean, temperature: 0.002 },
      tolerance: {
        units: 32,
        gradientUnits: 4096,
        reason: 'similarities up to 500 round by as many u in an exponent',
      },
    },
  ]),
  refusals: [
    {
      name: 'queries without positives',
      code: 'ERR_NO_POSITIVES',
      at: 'read',
      call: (device) =>
        queryInfoNCE(
          device.zeros([2, 2]),
          device.tensor(Int32Array.of(1, 2)),
          device.zeros([1, 2]),
          device.tensor(Int32Array.of(3)),
        ),
    },
    {
      name: 'keys of another length',
      code: 'ERR_SHAPE',
      call: (device) => {
        const label = device.tensor(Int32Array.of(1));
        return queryInfoNCE(device.zeros([1, 2]), label, device.zeros([1, 3]), label);
      },
    },
    {
      name: 'labels of float32',
      code: 'ERR_DTYPE',
      call: (device) => {
        const label = device.tensor(Int32Array.of(1));
        return queryInfoNCE(device.zeros([1, 2]), label, device.zeros([1, 2]), device.zeros([1]));
      },
    },
    {
      name: 'temperature 0',
      code: 'ERR_ARGUMENT',
      call: (device) => {
        const label = device.tensor(Int32Array.of(1));
        const row = device.zeros([1, 2]);
        return queryInfoNCE(row, label, row, label, { temperature: 0 });
      },
    },
  ],
});

/** Loss and gradient of 16 queries against 8,192 keys, and the peak memory. */
async function run8192Keys(threads: number): Promise<{ values: Float32Array[]; peakBytes: number }> {
  using device = await openDevice('cpu', { threads });
  const large = inputs(16, 8192, 16, 50);
  const tensor = ({ shape, values }: Input) => device.tensor(values as Float32Array, [...shape]).keep();
  const [queries, label, keys, keyLabels] = [large.queries, large.labels, large.keys, large.keyLabels].map(
    (input) => tensor(input),
  );
  queries!.requiresGrad = true;
  const loss = queryInfoNCE(queries!, label!, keys!, keyLabels!).keep();
  backward(loss);
  const results = [await loss.data(), await queries!.grad!.data()];
  return { values: results, peakBytes: device.memory().peakBytes };
}

it('queryInfoNCE stores no similarities', async () => {
  const { peakBytes } = await run8192Keys(1);
  // The keys and their labels, and less than half of the similarities.
  expect(peakBytes).toBeLessThan(8192 * 17 * 4 + (16 * 8192 * 4) / 2);
});

it('queryInfoNCE gives the same bits with one and three threads', async () => {
  expect((await run8192Keys(3)).values).toEqual((await run8192Keys(1)).values);
});
