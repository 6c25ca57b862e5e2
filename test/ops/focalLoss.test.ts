import { expect, it } from 'vitest';
import { openDevice } from '#spinegrad/engine/openDevice.js';
import { type FocalLossOptions, focalLoss } from '#spinegrad/engine/ops/focalLoss.js';
import { DEVICE } from '../device.js';
import { describeOperation, type Input, labels, normals, type Reference, uniforms } from './descriptor.js';

/** log(1 + e^x). */
const softplus = (x: number): number => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));

function softmaxForm({ logits, targets }: Record<string, Reference>, options: FocalLossOptions): number[] {
  const [rows, classes] = logits!.shape as [number, number];
  const { alpha, gamma = 2, labelSmoothing = 0, ignoreIndex = -100, reduction = 'mean' } = options;
  let total = 0;
  let count = 0;
  let weights = 0;
  for (let n = 0; n < rows; n++) {
    const target = targets!.values[n]!;
    if (target === ignoreIndex) continue;
    count++;
    weights += alpha?.[target] ?? 1;
    const row = Array.from(logits!.values.subarray(n * classes, (n + 1) * classes));
    const rowMax = Math.max(...row);
    const argmax = row.indexOf(rowMax);
    const exponentials = row.map((value) => Math.exp(value - rowMax));
    const sumExpOthers = exponentials.reduce((sum, e, c) => (c === argmax ? sum : sum + e), 0);
    for (let c = 0; c < classes; c++) {
      const q = (c === target ? 1 - labelSmoothing : 0) + labelSmoothing / classes;
      const minusLog = Math.log1p(sumExpOthers) - (row[c]! - rowMax);
      const complement =
        c === argmax ? sumExpOthers / (1 + sumExpOthers) : 1 - exponentials[c]! / (1 + sumExpOthers);
      if (q !== 0) total += q * (alpha?.[c] ?? 1) * complement ** gamma * minusLog;
    }
  }
  return [total / ({ sum: 1, mean: count, weightedMean: weights }[reduction] || 1)];
}

function sigmoidForm({ logits, targets }: Record<string, Reference>, options: FocalLossOptions): number[] {
  const classes = logits!.shape[1]!;
  const { alpha, gamma = 2, labelSmoothing = 0, ignoreIndex = -100, reduction = 'mean' } = options;
  const positiveLoss = (x: number): number => Math.exp(-gamma * softplus(x)) * softplus(-x);
  let total = 0;
  let count = 0;
  let weights = 0;
  logits!.values.forEach((x, i) => {
    const target = targets!.values[i]!;
    if (target === ignoreIndex) return;
    const alphaPositive = alpha?.[i % classes] ?? 1;
    const alphaNegative = alpha ? 1 - alphaPositive : 1;
    const y = (1 - labelSmoothing) * target + labelSmoothing / 2;
    count++;
    weights += target * alphaPositive + (1 - target) * alphaNegative;
    total += y * alphaPositive * positiveLoss(x) + (1 - y) * alphaNegative * positiveLoss(-x);
  });
  return [total / ({ sum: 1, mean: count, weightedMean: weights }[reduction] || 1)];
}

const extreme: Input = { shape: [4, 3], values: [1e4, 0, -1e4, 1e4, 0, -1e4, -1e4, -1e4, -1e4, 90, -90, 40] };
const confident: Input = { shape: [3, 3], values: [20, 0, 0, 0, 12, 1, 100, 0, -3] };

/** 0 or 1 per element; every fifth is `ignore` if given. */
function binaryTargets(shape: readonly [number, number], seed: number, ignore?: number): Input {
  const next = uniforms(seed);
  const values = Array.from({ length: shape[0] * shape[1] }, (_, i) =>
    ignore !== undefined && i % 5 === 4 ? ignore : Number(next() < 0.4),
  );
  return { shape, values };
}

const gammas = [0, 0.5, 1, 2, 3.7];

describeOperation<FocalLossOptions>({
  name: 'focalLoss',
  run: ({ logits, targets }, options) => focalLoss(logits!, targets!, options),
  reference: (inputs, options) => (options.form === 'sigmoid' ? sigmoidForm : softmaxForm)(inputs, options),
  differentiable: ['logits'],
  tolerance: {
    units: 24,
    gradientUnits: 48,
    reason: 'log and exp round by 2 u each, the exponent gamma log(1 - p) by its size, here up to 8 u',
  },
  golden: true,
  cases: [
    ...gammas.flatMap((gamma) => [
      {
        name: `softmax, gamma ${gamma}`,
        inputs: { logits: normals([67, 3], 1, 2), targets: labels([67], 2, 3) },
        options: { gamma, alpha: [0.25, 0.5, 1] },
      },
      {
        name: `softmax, gamma ${gamma}, smoothed`,
        inputs: { logits: normals([5, 7], 3, 2), targets: labels([5], 4, 7) },
        options: { gamma, labelSmoothing: 0.1 },
      },
      {
        name: `softmax, gamma ${gamma}, confident and correct`,
        inputs: { logits: confident, targets: { shape: [3], values: Int32Array.of(0, 1, 0) } },
        options: { gamma },
      },
      {
        name: `softmax, gamma ${gamma}, extreme logits`,
        inputs: { logits: extreme, targets: { shape: [4], values: Int32Array.of(0, 2, 1, 1) } },
        options: { gamma },
      },
      {
        name: `sigmoid, gamma ${gamma}`,
        inputs: { logits: normals([67, 3], 5, 2), targets: binaryTargets([67, 3], 6) },
        options: { form: 'sigmoid' as const, gamma, alpha: [0.25, 0.5, 0.9] },
      },
      {
        name: `sigmoid, gamma ${gamma}, smoothed, some ignored`,
        inputs: { logits: normals([11, 5], 7, 2), targets: binaryTargets([11, 5], 8, -1) },
        options: { form: 'sigmoid' as const, gamma, labelSmoothing: 0.2, ignoreIndex: -1 },
      },
      {
        name: `sigmoid, gamma ${gamma}, extreme logits`,
        inputs: { logits: extreme, targets: binaryTargets([4, 3], 9) },
        options: { form: 'sigmoid' as const, gamma },
      },
    ]),
    ...(['sum', 'mean', 'weightedMean'] as const).flatMap((reduction) => [
      {
        name: `softmax, ${reduction}, some ignored, one of them NaN`,
        inputs: {
          logits: { shape: [4, 2], values: [1, 2, Number.NaN, 1, 3, -1, 0.5, 0.25] },
          targets: { shape: [4], values: Int32Array.of(0, -100, 1, 1) },
        },
        options: { reduction, alpha: [0.3, 2] },
      },
      {
        name: `sigmoid, ${reduction}, soft targets`,
        inputs: {
          logits: normals([3, 4], 10),
          targets: { shape: [3, 4], values: [...Array(12).keys()].map((i) => i / 11) },
        },
        options: { form: 'sigmoid' as const, reduction, alpha: [0.2, 0.4, 0.6, 0.8] },
      },
    ]),
    {
      name: 'softmax, one row, one class',
      inputs: { logits: normals([1, 1], 11), targets: { shape: [1], values: Int32Array.of(0) } },
      options: {},
      exact: true,
    },
    {
      name: 'softmax, smoothed, more rows than one strip, three classes',
      inputs: { logits: normals([150, 3], 14, 2), targets: labels([150], 15, 3) },
      options: { labelSmoothing: 0.1, alpha: [0.25, 0.5, 1], ignoreIndex: 2, reduction: 'weightedMean' },
    },
    {
      name: 'softmax, a class as ignoreIndex',
      inputs: { logits: normals([9, 3], 12), targets: labels([9], 13, 3) },
      options: { ignoreIndex: 1 },
    },
    ...(['sum', 'mean', 'weightedMean'] as const).flatMap((reduction) => [
      {
        name: `softmax, ${reduction}, all ignored: loss 0, gradient 0`,
        inputs: {
          logits: normals([3, 4], 16, 2),
          targets: { shape: [3], values: Int32Array.of(-1, -1, -1) },
        },
        options: { reduction, ignoreIndex: -1, alpha: [0.5, 1, 2, 1] },
        exact: true,
      },
      {
        name: `sigmoid, ${reduction}, all ignored: loss 0, gradient 0`,
        inputs: { logits: normals([3, 2], 17, 2), targets: { shape: [3, 2], values: Array(6).fill(-1) } },
        options: { form: 'sigmoid' as const, reduction, ignoreIndex: -1 },
        exact: true,
      },
    ]),
    {
      name: 'softmax, a weighted mean whose weights are all 0: loss 0, gradient 0',
      inputs: { logits: normals([2, 2], 18), targets: { shape: [2], values: Int32Array.of(0, 0) } },
      options: { alpha: [0, 1], reduction: 'weightedMean' },
      exact: true,
    },
    {
      name: 'NaN in a row that is not ignored',
      inputs: {
        logits: { shape: [1, 2], values: [Number.NaN, 1] },
        targets: { shape: [1], values: Int32Array.of(1) },
      },
      options: {},
      differentiable: [],
    },
  ],
  refusals: [
    {
      name: 'a scalar alpha',
      code: 'ERR_ARGUMENT',
      call: (device) =>
        focalLoss(device.zeros([2, 3]), device.tensor(Int32Array.of(0, 1)), {
          alpha: 0.25 as unknown as number[],
        }),
    },
    {
      name: 'alpha with a length other than the number of classes',
      code: 'ERR_ARGUMENT',
      call: (device) =>
        focalLoss(device.zeros([2, 3]), device.tensor(Int32Array.of(0, 1)), { alpha: [0.25, 0.75] }),
    },
    {
      name: 'alpha above 1 with the sigmoid form',
      code: 'ERR_ARGUMENT',
      call: (device) =>
        focalLoss(device.zeros([1, 1]), device.zeros([1, 1]), { form: 'sigmoid', alpha: [2] }),
    },
    {
      name: 'gamma below 0',
      code: 'ERR_ARGUMENT',
      call: (device) => focalLoss(device.zeros([1, 2]), device.tensor(Int32Array.of(0)), { gamma: -1 }),
    },
    {
      name: 'float targets with the softmax form',
      code: 'ERR_DTYPE',
      call: (device) => focalLoss(device.zeros([1, 2]), device.zeros([1])),
    },
    {
      name: 'a class out of range',
      code: 'ERR_TARGET',
      at: 'read',
      call: (device) => focalLoss(device.zeros([2, 3]), device.tensor(Int32Array.of(0, 3))),
    },
    {
      name: 'a sigmoid target above 1',
      code: 'ERR_TARGET',
      at: 'read',
      call: (device) => focalLoss(device.zeros([1, 1]), device.tensor([1.5], [1, 1]), { form: 'sigmoid' }),
    },
  ],
});

it('focalLoss names the first target that is not a class', async () => {
  using device = await openDevice(DEVICE);
  const targets = new Int32Array(1000).fill(1);
  targets[700] = 5;
  targets[901] = -3;
  using loss = focalLoss(device.zeros([1000, 3]), device.tensor(targets), { ignoreIndex: 9 });
  await expect(loss.item()).rejects.toThrow(
    'targets[700]: found 5, expected a class from 0 to 2 or ignoreIndex 9',
  );
});

it('focalLoss accepts more classes than a JavaScript call accepts arguments', async () => {
  using device = await openDevice('cpu', { threads: 1 });
  const classes = 200_000;
  using loss = focalLoss(device.zeros([1, classes]), device.tensor(Int32Array.of(1)), { gamma: 0 });
  expect(await loss.item()).toBeCloseTo(Math.log(classes), 4);
});
