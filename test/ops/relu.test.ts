import { relu } from '#spinegrad/engine/ops/elementwise.js';
import { describeOperation, distinct } from './descriptor.js';

describeOperation({
  name: 'relu',
  run: ({ x }) => relu(x!),
  reference: ({ x }) => x!.values.map((value) => Math.max(value, 0)),
  differentiable: ['x'],
  tolerance: { units: 0, reason: 'values are copied' },
  cases: [
    { name: 'an image', inputs: { x: distinct([2, 3, 5, 7], 1) } },
    { name: 'one value', inputs: { x: distinct([1], 2) } },
    { name: 'several parallel chunks', inputs: { x: distinct([33001], 3) } },
    {
      name: 'special values',
      inputs: { x: { shape: [4], values: [Number.NaN, Infinity, -Infinity, -1e-45] } },
      differentiable: [],
    },
  ],
  refusals: [{ name: 'int32', code: 'ERR_DTYPE', call: (device) => relu(device.tensor(Int32Array.of(1))) }],
});
