import { logSoftmax } from '#spinegrad/engine/ops/logSoftmax.js';
import { describeOperation, normals, type Reference } from './descriptor.js';

function reference({ x }: Record<string, Reference>): number[] {
  const [rows, classes] = x!.shape as [number, number];
  return Array.from({ length: rows }, (_, n) => {
    const row = x!.values.subarray(n * classes, (n + 1) * classes);
    const rowMax = Math.max(...row);
    const total = row.reduce((sum, value) => sum + Math.exp(value - rowMax), 0);
    return Array.from(row, (value) => value - rowMax - Math.log(total));
  }).flat();
}

describeOperation({
  name: 'logSoftmax',
  run: ({ x }) => logSoftmax(x!),
  reference,
  differentiable: ['x'],
  tolerance: {
    units: 4,
    gradientUnits: 24,
    reason:
      'two subtractions and a logarithm; dx has exp(y), which rounds by |y| u, here up to 8 u, times a sum of 33',
  },
  golden: true,
  cases: [
    { name: 'one row', inputs: { x: normals([1, 3], 1) } },
    { name: 'one class', inputs: { x: normals([5, 1], 2) }, exact: true },
    { name: 'odd sizes', inputs: { x: normals([7, 33], 3, 2) } },
    {
      name: 'extreme logits',
      inputs: { x: { shape: [3, 3], values: [1e4, -1e4, 0, -1e4, -1e4, -1e4, 88, 89, -103] } },
    },
    {
      name: 'NaN stays in its row',
      inputs: { x: { shape: [2, 2], values: [Number.NaN, 0, 1, 2] } },
      differentiable: [],
    },
  ],
  refusals: [{ name: 'a vector', code: 'ERR_SHAPE', call: (device) => logSoftmax(device.zeros([3])) }],
});
