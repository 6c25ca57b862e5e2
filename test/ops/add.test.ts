import { add } from '#spinegrad/engine/ops/elementwise.js';
import { describeOperation, integers, normals } from './descriptor.js';

describeOperation({
  name: 'add',
  run: ({ a, b }) => add(a!, b ?? a!),
  reference: ({ a, b }) => a!.values.map((value, i) => value + (b ?? a)!.values[i]!),
  differentiable: ['a', 'b'],
  tolerance: { units: 1, reason: 'one rounding' },
  cases: [
    { name: 'integers', inputs: { a: integers([2, 3, 5, 7], 1), b: integers([2, 3, 5, 7], 2) }, exact: true },
    { name: 'normals', inputs: { a: normals([1, 17], 3), b: normals([1, 17], 4) } },
    { name: 'several parallel chunks', inputs: { a: normals([33001], 5), b: normals([33001], 6) } },
    { name: 'a tensor and itself', inputs: { a: integers([9], 7) }, differentiable: ['a'], exact: true },
    {
      name: 'one constant operand',
      inputs: { a: integers([4], 8), b: integers([4], 9) },
      differentiable: ['b'],
      exact: true,
    },
  ],
  refusals: [
    {
      name: 'another shape',
      code: 'ERR_SHAPE',
      call: (device) => add(device.zeros([2, 1]), device.zeros([1, 2])),
    },
    {
      name: 'another dtype',
      code: 'ERR_DTYPE',
      call: (device) => add(device.zeros([1]), device.tensor(Int32Array.of(1))),
    },
  ],
});
