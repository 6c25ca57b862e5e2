import { sum } from '#spinegrad/engine/ops/sum.js';
import { describeOperation, integers, normals } from './descriptor.js';

describeOperation({
  name: 'sum',
  run: ({ x }) => sum(x!),
  reference: ({ x }) => [x!.values.reduce((total, value) => total + value, 0)],
  differentiable: ['x'],
  // The sum is computed in double precision and rounded once.
  tolerance: { units: 2, reason: 'one rounding to float32' },
  cases: [
    { name: 'integers', inputs: { x: integers([3, 5, 7], 1) }, exact: true },
    { name: 'one value', inputs: { x: integers([1], 2) }, exact: true },
    { name: 'more than one parallel chunk', inputs: { x: normals([16385 + 7], 3) } },
  ],
  refusals: [
    {
      name: 'a disposed tensor',
      code: 'ERR_DISPOSED',
      call: (device) => {
        const x = device.zeros([2]);
        x.dispose();
        return sum(x);
      },
    },
    { name: 'int32', code: 'ERR_DTYPE', call: (device) => sum(device.tensor(Int32Array.of(1))) },
  ],
});
