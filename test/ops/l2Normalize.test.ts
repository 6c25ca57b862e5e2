import { l2Normalize } from '#spinegrad/engine/ops/l2Normalize.js';
import { describeOperation, normals, type Reference } from './descriptor.js';

function reference({ x }: Record<string, Reference>, { eps = 1e-12 }: { eps?: number } = {}): number[] {
  const [rows, columns] = x!.shape as [number, number];
  return Array.from({ length: rows }, (_, n) => {
    const row = x!.values.subarray(n * columns, (n + 1) * columns);
    const length = Math.max(Math.hypot(...row), eps);
    return Array.from(row, (value) => value / length);
  }).flat();
}

describeOperation<{ eps?: number } | undefined>({
  name: 'l2Normalize',
  run: ({ x }, options) => l2Normalize(x!, options?.eps),
  reference,
  differentiable: ['x'],
  tolerance: {
    units: 3,
    gradientUnits: 16,
    reason:
      'squares are summed in double precision; a dot product of 129 values in 16 lanes rounds about 12 times',
  },
  golden: true,
  cases: [
    { name: 'one row', inputs: { x: normals([1, 4], 1) } },
    { name: 'odd sizes', inputs: { x: normals([5, 129], 2) } },
    { name: 'integer lengths', inputs: { x: { shape: [2, 2], values: [3, 4, 0, 8] } } },
    { name: 'rows shorter than eps', inputs: { x: normals([3, 5], 3, 0.1) }, options: { eps: 16 } },
    { name: 'zeros', inputs: { x: { shape: [2, 3], values: [0, 0, 0, 0, 0, 0] } }, options: { eps: 0.5 } },
    {
      name: 'squares beyond the range of float32',
      inputs: { x: { shape: [2, 2], values: [3e30, 4e30, 3e-30, 4e-30] } },
      options: { eps: 2e-38 },
      differentiable: [],
    },
  ],
  refusals: [
    { name: 'eps 0', code: 'ERR_ARGUMENT', call: (device) => l2Normalize(device.zeros([1, 3]), 0) },
    { name: 'an image', code: 'ERR_SHAPE', call: (device) => l2Normalize(device.zeros([1, 3, 2, 2])) },
  ],
});
