import { mul } from '#spinegrad/engine/ops/elementwise.js';
import { describeOperation, integers, normals } from './descriptor.js';

describeOperation<{ factor: number } | undefined>({
  name: 'mul',
  run: ({ a, b }, options) => mul(a!, b ?? options?.factor ?? a!),
  reference: ({ a, b }, options) =>
    a!.values.map((value, i) => value * (b?.values[i] ?? options?.factor ?? value)),
  differentiable: ['a', 'b'],
  tolerance: { units: 2, reason: 'the factor and the product round once each' },
  cases: [
    { name: 'integers', inputs: { a: integers([2, 3, 5, 7], 1), b: integers([2, 3, 5, 7], 2) }, exact: true },
    { name: 'normals', inputs: { a: normals([1, 17], 3), b: normals([1, 17], 4) } },
    { name: 'several parallel chunks', inputs: { a: normals([33001], 5), b: normals([33001], 6) } },
    { name: 'a tensor and itself', inputs: { a: integers([9], 7) }, differentiable: ['a'], exact: true },
    {
      name: 'by a number',
      inputs: { a: normals([1, 3, 2, 5], 8) },
      options: { factor: -0.3 },
      differentiable: ['a'],
    },
    {
      name: 'by 0',
      inputs: { a: integers([5], 9) },
      options: { factor: 0 },
      differentiable: ['a'],
      exact: true,
    },
  ],
  refusals: [
    {
      name: 'another shape',
      code: 'ERR_SHAPE',
      call: (device) => mul(device.zeros([2, 1]), device.zeros([1, 2])),
    },
    { name: 'NaN as factor', code: 'ERR_ARGUMENT', call: (device) => mul(device.zeros([1]), Number.NaN) },
  ],
});
