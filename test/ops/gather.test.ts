import { gather } from '#spinegrad/engine/ops/gather.js';
import { describeOperation, integers, labels, normals } from './descriptor.js';

describeOperation({
  name: 'gather',
  run: ({ x, indices }) => gather(x!, indices!),
  reference: ({ x, indices }) => {
    const row = x!.values.length / x!.shape[0]!;
    return Array.from(indices!.values).flatMap((index) => [
      ...x!.values.slice(index * row, (index + 1) * row),
    ]);
  },
  differentiable: ['x'],
  tolerance: { units: 4, reason: 'values are copied; the gradient is a sum of a few rows' },
  golden: true,
  cases: [
    { name: 'integers', inputs: { x: integers([5, 3, 2], 1), indices: labels([9], 2, 5) }, exact: true },
    {
      name: 'one row, one value',
      inputs: { x: integers([1, 1], 3), indices: labels([1], 4, 1) },
      exact: true,
    },
    { name: 'a vector', inputs: { x: integers([6], 5), indices: labels([4], 6, 6) }, exact: true },
    {
      name: 'rows longer than one strip',
      inputs: { x: integers([7, 300], 7), indices: labels([20], 8, 7) },
      exact: true,
    },
    {
      name: 'more rows than blocks, more indices than threads',
      inputs: { x: integers([600, 3], 11), indices: labels([700], 12, 600) },
      exact: true,
    },
    { name: 'reals', inputs: { x: normals([4, 17], 9), indices: labels([13], 10, 4) } },
  ],
  refusals: [
    {
      name: 'an index after the last row',
      code: 'ERR_INDEX',
      at: 'read',
      call: (device) => gather(device.zeros([3, 2]), device.tensor(Int32Array.of(0, 3))),
    },
    {
      name: 'a negative index',
      code: 'ERR_INDEX',
      at: 'read',
      call: (device) => gather(device.zeros([3, 2]), device.tensor(Int32Array.of(-1))),
    },
    {
      name: 'indices that are not int32',
      code: 'ERR_DTYPE',
      call: (device) => gather(device.zeros([3, 2]), device.zeros([2])),
    },
    {
      name: 'indices of two axes',
      code: 'ERR_SHAPE',
      call: (device) => gather(device.zeros([3, 2]), device.tensor(Int32Array.of(0, 1), [1, 2])),
    },
    {
      name: 'a scalar',
      code: 'ERR_SHAPE',
      call: (device) => gather(device.zeros([]), device.tensor(Int32Array.of(0))),
    },
  ],
});
