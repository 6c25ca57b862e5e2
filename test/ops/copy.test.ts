import { copy } from '#spinegrad/engine/ops/copy.js';
import { describeOperation, normals } from './descriptor.js';

describeOperation({
  name: 'copy',
  run: ({ x }) => copy(x!),
  reference: ({ x }) => x!.values,
  differentiable: ['x'],
  tolerance: { units: 0, reason: 'values are copied' },
  cases: [
    { name: 'an image', inputs: { x: normals([2, 3, 5, 7], 1) } },
    { name: 'one value', inputs: { x: normals([1], 2) } },
    {
      name: 'special values',
      inputs: { x: { shape: [4], values: [Number.NaN, Infinity, -Infinity, 1e-45] } },
      differentiable: [],
    },
  ],
  refusals: [{ name: 'uint8', code: 'ERR_DTYPE', call: (device) => copy(device.tensor(Uint8Array.of(1))) }],
});
