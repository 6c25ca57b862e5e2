import type { ElementwiseLossOptions } from '#spinegrad/engine/ops/elementwiseLoss.js';
import { mse } from '#spinegrad/engine/ops/mse.js';
import { describeOperation, integers, normals, type Reference } from './descriptor.js';

type Options = Pick<ElementwiseLossOptions, 'reduction'> | undefined;

function reference({ prediction, target, weight }: Record<string, Reference>, options: Options): number[] {
  let total = 0;
  let weights = 0;
  prediction!.values.forEach((value, i) => {
    const w = weight ? weight.values[i]! : 1;
    weights += w;
    if (w !== 0) total += w * (value - target!.values[i]!) ** 2;
  });
  return [options?.reduction === 'sum' || weights === 0 ? total : total / weights];
}

describeOperation<Options>({
  name: 'mse',
  run: ({ prediction, target, weight }, options) => mse(prediction!, target!, { ...options, weight }),
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
      name: 'several parallel chunks',
      inputs: { prediction: normals([33000], 5), target: normals([33000], 6) },
    },
    {
      name: 'NaN targets with weight 0',
      inputs: {
        prediction: { shape: [4], values: [1, 2, 3, 5] },
        target: { shape: [4], values: [2, Number.NaN, 1, Number.NaN] },
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
      name: 'NaN with weight 1',
      inputs: { prediction: { shape: [2], values: [Number.NaN, 1] }, target: { shape: [2], values: [0, 0] } },
      differentiable: [],
    },
  ],
  refusals: [
    {
      name: 'a target of another shape',
      code: 'ERR_SHAPE',
      call: (device) => mse(device.zeros([2]), device.zeros([3])),
    },
    {
      name: 'an unknown reduction',
      code: 'ERR_ARGUMENT',
      call: (device) => mse(device.zeros([2]), device.zeros([2]), { reduction: 'none' as 'sum' }),
    },
    {
      name: 'a negative weight',
      code: 'ERR_WEIGHT',
      at: 'read',
      call: (device) => mse(device.zeros([2]), device.zeros([2]), { weight: device.tensor([1, -1]) }),
    },
  ],
});
