import { type SmoothL1Options, smoothL1 } from '#spinegrad/engine/ops/smoothL1.js';
import { describeOperation, integers, normals, type Reference } from './descriptor.js';

type Options = Pick<SmoothL1Options, 'beta' | 'reduction'> | undefined;

function reference({ prediction, target, weight }: Record<string, Reference>, options: Options): number[] {
  const { beta = 1, reduction = 'mean' } = options ?? {};
  let total = 0;
  let weights = 0;
  prediction!.values.forEach((value, i) => {
    const w = weight ? weight.values[i]! : 1;
    const d = Math.abs(value - target!.values[i]!);
    weights += w;
    if (w !== 0) total += w * (d < beta ? (d * d) / (2 * beta) : d - beta / 2);
  });
  return [reduction === 'sum' || weights === 0 ? total : total / weights];
}

describeOperation<Options>({
  name: 'smoothL1',
  run: ({ prediction, target, weight }, options) => smoothL1(prediction!, target!, { ...options, weight }),
  reference,
  differentiable: ['prediction'],
  tolerance: {
    units: 6,
    reason: 'summed in double precision; the gradient rounds in four operations and in the divisor',
  },
  golden: true,
  cases: [
    {
      name: 'integers, sum',
      inputs: { prediction: integers([3, 5, 2], 1), target: integers([3, 5, 2], 2) },
      options: { reduction: 'sum' },
      exact: true,
    },
    { name: 'one value', inputs: { prediction: normals([1], 3), target: normals([1], 4) } },
    {
      name: 'beta',
      inputs: { prediction: normals([4, 5, 2], 5, 3), target: normals([4, 5, 2], 6) },
      options: { beta: 0.3 },
    },
    {
      name: 'several parallel chunks',
      inputs: { prediction: normals([33000], 7), target: normals([33000], 8) },
    },
    {
      name: 'NaN targets with weight 0',
      inputs: {
        prediction: { shape: [4], values: [1, 2, 3, 5] },
        target: { shape: [4], values: [1.5, Number.NaN, 1, Number.NaN] },
        weight: { shape: [4], values: [1, 0, 2, 0] },
      },
    },
    {
      name: 'all weights 0: loss 0, gradient 0',
      inputs: {
        prediction: normals([3], 7),
        target: normals([3], 8),
        weight: { shape: [3], values: [0, 0, 0] },
      },
      exact: true,
    },
    {
      name: 'differences near the float32 maximum',
      inputs: { prediction: { shape: [2], values: [1e30, -3e38] }, target: { shape: [2], values: [0, 0] } },
      options: { reduction: 'sum' },
      differentiable: [],
    },
  ],
  refusals: [
    {
      name: 'a target of another shape',
      code: 'ERR_SHAPE',
      call: (device) => smoothL1(device.zeros([2]), device.zeros([1, 2])),
    },
    {
      name: 'beta 0',
      code: 'ERR_ARGUMENT',
      call: (device) => smoothL1(device.zeros([2]), device.zeros([2]), { beta: 0 }),
    },
    {
      name: 'a negative weight',
      code: 'ERR_WEIGHT',
      at: 'read',
      call: (device) => smoothL1(device.zeros([2]), device.zeros([2]), { weight: device.tensor([1, -1]) }),
    },
  ],
});
