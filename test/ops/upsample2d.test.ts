import { upsample2d } from '#spinegrad/engine/ops/upsample2d.js';
import { describeOperation, normals, type Reference } from './descriptor.js';

function reference({ x }: Record<string, Reference>, { scale }: { scale: number }): number[] {
  const [n, c, h, w] = x!.shape as [number, number, number, number];
  const y: number[] = [];
  for (let plane = 0; plane < n * c; plane++) {
    for (let row = 0; row < h * scale; row++) {
      for (let column = 0; column < w * scale; column++) {
        y.push(x!.values[(plane * h + Math.floor(row / scale)) * w + Math.floor(column / scale)]!);
      }
    }
  }
  return y;
}

describeOperation<{ scale: number }>({
  name: 'upsample2d',
  run: ({ x }, options) => upsample2d(x!, options),
  reference,
  differentiable: ['x'],
  tolerance: {
    units: 0,
    gradientUnits: 16,
    reason: 'values are copied; a gradient is a sum of scale^2 values',
  },
  golden: true,
  cases: [
    { name: 'scale 2', inputs: { x: normals([2, 3, 4, 5], 1) }, options: { scale: 2 } },
    { name: 'several channel blocks', inputs: { x: normals([2, 35, 3, 2], 2) }, options: { scale: 2 } },
    { name: 'scale 3', inputs: { x: normals([1, 17, 2, 3], 3) }, options: { scale: 3 } },
    { name: 'scale 1', inputs: { x: normals([2, 4, 3, 3], 4) }, options: { scale: 1 } },
    { name: 'one pixel', inputs: { x: normals([1, 1, 1, 1], 5) }, options: { scale: 4 } },
  ],
  refusals: [
    {
      name: 'a fractional scale',
      code: 'ERR_ARGUMENT',
      call: (device) => upsample2d(device.zeros([1, 1, 2, 2]), { scale: 1.5 }),
    },
    {
      name: 'scale 0',
      code: 'ERR_ARGUMENT',
      call: (device) => upsample2d(device.zeros([1, 1, 2, 2]), { scale: 0 }),
    },
    { name: 'a matrix', code: 'ERR_SHAPE', call: (device) => upsample2d(device.zeros([4, 4])) },
  ],
});
