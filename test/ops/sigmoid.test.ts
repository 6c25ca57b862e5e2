import { sigmoid } from '#spinegrad/engine/ops/elementwise.js';
import { describeOperation, normals } from './descriptor.js';

describeOperation({
  name: 'sigmoid',
  run: ({ x }) => sigmoid(x!),
  reference: ({ x }) => x!.values.map((value) => 1 / (1 + Math.exp(-value))),
  differentiable: ['x'],
  tolerance: { units: 4, reason: 'exp is within 2 units; a sum, a quotient and a product follow' },
  cases: [
    { name: 'an image', inputs: { x: normals([2, 3, 5, 7], 1, 3) } },
    { name: 'several chunks', inputs: { x: normals([33001], 2, 3) } },
    { name: 'large values', inputs: { x: { shape: [4], values: [-3e38, -90, 90, 3e38] } } },
    {
      name: 'special values',
      inputs: { x: { shape: [4], values: [Number.NaN, Infinity, -Infinity, 0] } },
      differentiable: [],
    },
  ],
  refusals: [
    { name: 'int32', code: 'ERR_DTYPE', call: (device) => sigmoid(device.tensor(Int32Array.of(1))) },
  ],
});
