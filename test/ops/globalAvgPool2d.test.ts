import { globalAvgPool2d } from '#spinegrad/engine/ops/globalAvgPool2d.js';
import { describeOperation, integers, normals } from './descriptor.js';

describeOperation({
  name: 'globalAvgPool2d',
  run: ({ x }) => globalAvgPool2d(x!),
  reference: ({ x }) => {
    const [n, c, h, w] = x!.shape as [number, number, number, number];
    return Array.from({ length: n * c }, (_, plane) => {
      const pixels = x!.values.subarray(plane * h * w, (plane + 1) * h * w);
      return pixels.reduce((total, value) => total + value, 0) / (h * w);
    });
  },
  differentiable: ['x'],
  tolerance: { units: 16, reason: 'a float32 sum of up to 117 values, then a division' },
  golden: true,
  cases: [
    { name: 'one pixel', inputs: { x: integers([2, 3, 1, 1], 1) }, exact: true },
    { name: 'batch 1', inputs: { x: normals([1, 17, 3, 3], 2) } },
    { name: 'odd sizes', inputs: { x: normals([3, 5, 9, 13], 3) } },
    { name: 'a full channel block', inputs: { x: normals([2, 32, 3, 3], 4) } },
  ],
  refusals: [
    { name: 'a matrix', code: 'ERR_SHAPE', call: (device) => globalAvgPool2d(device.zeros([2, 3])) },
  ],
});
