import { bceWithLogits } from '#spinegrad/engine/ops/bceWithLogits.js';
import type { ElementwiseLossOptions } from '#spinegrad/engine/ops/elementwiseLoss.js';
import { describeOperation, integers, normals, type Reference, uniforms } from './descriptor.js';

type Options = Pick<ElementwiseLossOptions, 'reduction'> | undefined;

function reference({ logits, targets, weight }: Record<string, Reference>, options: Options): number[] {
  let total = 0;
  let weights = 0;
  logits!.values.forEach((z, i) => {
    const w = weight ? weight.values[i]! : 1;
    const y = targets!.values[i]!;
    weights += w;
    if (w !== 0) total += w * (Math.max(z, 0) - z * y + Math.log1p(Math.exp(-Math.abs(z))));
  });
  return [options?.reduction === 'sum' || weights === 0 ? total : total / weights];
}

const probabilities = (shape: readonly number[], seed: number) => {
  const next = uniforms(seed);
  return { shape, values: Array.from({ length: shape.reduce((a, b) => a * b, 1) }, next) };
};

describeOperation<Options>({
  name: 'bceWithLogits',
  run: ({ logits, targets, weight }, options) => bceWithLogits(logits!, targets!, { ...options, weight }),
  reference,
  differentiable: ['logits'],
  tolerance: {
    units: 12,
    reason: 'exp and log1p of one unit each, four more roundings; summed in double precision',
  },
  golden: true,
  cases: [
    {
      name: 'binary targets',
      inputs: { logits: normals([3, 2, 5, 4], 1, 3), targets: integers([3, 2, 5, 4], 2, 0, 1) },
    },
    {
      name: 'probabilities as targets, sum',
      inputs: { logits: normals([7, 5], 3, 2), targets: probabilities([7, 5], 4) },
      options: { reduction: 'sum' },
    },
    {
      name: 'several parallel chunks',
      inputs: { logits: normals([33000], 5, 3), targets: probabilities([33000], 6) },
    },
    {
      name: 'weights',
      inputs: {
        logits: normals([4, 6], 7, 3),
        targets: probabilities([4, 6], 8),
        weight: integers([4, 6], 9, 0, 3),
      },
    },
    {
      name: 'large logits',
      inputs: {
        logits: { shape: [6], values: [1e4, -1e4, 200, -200, 50, -50] },
        targets: { shape: [6], values: [1, 0, 0, 1, 1, 0.25] },
      },
    },
    {
      name: 'confident and right: small terms stay accurate',
      inputs: {
        logits: { shape: [4], values: [20, -20, 40, -40] },
        targets: { shape: [4], values: [1, 0, 1, 0] },
      },
    },
    {
      name: 'NaN with weight 0',
      inputs: {
        logits: { shape: [4], values: [1, Number.NaN, 3, 5] },
        targets: { shape: [4], values: [1, 0, 0, Number.NaN] },
        weight: { shape: [4], values: [1, 0, 2, 0] },
      },
    },
    {
      name: 'all weights 0: loss 0, gradient 0',
      inputs: {
        logits: normals([3], 10),
        targets: probabilities([3], 11),
        weight: { shape: [3], values: [0, 0, 0] },
      },
      exact: true,
    },
  ],
  refusals: [
    {
      name: 'targets of another shape',
      code: 'ERR_SHAPE',
      call: (device) => bceWithLogits(device.zeros([2]), device.zeros([1, 2])),
    },
    {
      name: 'an unknown reduction',
      code: 'ERR_ARGUMENT',
      call: (device) => bceWithLogits(device.zeros([2]), device.zeros([2]), { reduction: 'max' as 'sum' }),
    },
    {
      name: 'a negative weight',
      code: 'ERR_WEIGHT',
      at: 'read',
      call: (device) =>
        bceWithLogits(device.zeros([2]), device.zeros([2]), { weight: device.tensor([1, -1]) }),
    },
  ],
});
