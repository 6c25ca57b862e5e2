import { softmax } from '#spinegrad/engine/ops/softmax.js';
import { describeOperation, normals, type Reference } from './descriptor.js';

function reference({ x }: Record<string, Reference>): number[] {
  const [rows, classes] = x!.shape as [number, number];
  return Array.from({ length: rows }, (_, n) => {
    const row = x!.values.subarray(n * classes, (n + 1) * classes);
    const rowMax = Math.max(...row);
    const exponentials = Array.from(row, (value) => Math.exp(value - rowMax));
    const total = exponentials.reduce((a, b) => a + b);
    return exponentials.map((value) => value / total);
  }).flat();
}

describeOperation({
  name: 'softmax',
  run: ({ x }) => softmax(x!),
  reference,
  differentiable: ['x'],
  tolerance: {
    units: 12,
    gradientUnits: 24,
    reason:
      'x - max rounds by |x - max| u, here up to 6 u; exp, the sum and the division by 2 u each; dx doubles this',
  },
  golden: true,
  cases: [
    { name: 'one row', inputs: { x: normals([1, 3], 1) } },
    { name: 'one class', inputs: { x: normals([5, 1], 2) }, exact: true },
    { name: 'odd sizes', inputs: { x: normals([7, 33], 3, 2) } },
    {
      name: 'extreme logits',
      inputs: {
        x: { shape: [4, 3], values: [1e4, -1e4, 0, -1e4, -1e4, -1e4, 3e38, 0, -3e38, 88, 89, -103] },
      },
      differentiable: ['x'],
    },
    {
      name: 'masked by -infinity',
      inputs: { x: { shape: [1, 3], values: [1, -Infinity, 2] } },
      differentiable: [],
    },
    {
      name: 'NaN stays in its row',
      inputs: { x: { shape: [2, 2], values: [Number.NaN, 0, 1, 2] } },
      differentiable: [],
    },
  ],
  refusals: [
    { name: 'a vector', code: 'ERR_SHAPE', call: (device) => softmax(device.zeros([3])) },
    {
      name: 'int32',
      code: 'ERR_DTYPE',
      call: (device) => softmax(device.tensor(Int32Array.of(1, 2), [1, 2])),
    },
  ],
});
