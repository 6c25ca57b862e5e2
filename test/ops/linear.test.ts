import { linear } from '#spinegrad/engine/ops/linear.js';
import { describeOperation, integers, normals, TF32 } from './descriptor.js';

describeOperation({
  name: 'linear',
  run: ({ x, weight, bias }) => linear(x!, weight!, bias),
  reference: ({ x, weight, bias }) => {
    const [n, c] = x!.shape as [number, number];
    const k = weight!.shape[0]!;
    return Array.from({ length: n * k }, (_, index) => {
      const row = Math.floor(index / k) * c;
      const column = (index % k) * c;
      let y = bias?.values[index % k] ?? 0;
      for (let i = 0; i < c; i++) y += x!.values[row + i]! * weight!.values[column + i]!;
      return y;
    });
  },
  differentiable: ['x', 'weight', 'bias'],
  tolerance: {
    units: 32,
    tf32: TF32,
    reason: 'sums of up to 512 products in float32, relative to the largest sum',
  },
  golden: true,
  cases: [
    {
      name: 'integers',
      inputs: { x: integers([5, 7], 1), weight: integers([3, 7], 2), bias: integers([3], 3) },
      exact: true,
    },
    {
      name: 'no bias',
      inputs: { x: integers([4, 9], 4), weight: integers([2, 9], 5) },
      differentiable: ['x', 'weight'],
      exact: true,
    },
    {
      name: 'batch 1, one output',
      inputs: { x: normals([1, 131], 6), weight: normals([1, 131], 7), bias: normals([1], 8) },
    },
    {
      name: 'one input',
      inputs: { x: normals([33, 1], 9), weight: normals([17, 1], 10), bias: normals([17], 11) },
    },
    {
      name: 'full and partial tiles',
      inputs: { x: integers([70, 132], 15), weight: integers([76, 132], 16), bias: integers([76], 17) },
      exact: true,
    },
    {
      name: 'a projection head',
      inputs: { x: normals([16, 512], 18), weight: normals([128, 512], 19), bias: normals([128], 20) },
      probes: 8,
    },
    {
      name: 'a frozen weight',
      inputs: { x: integers([3, 4], 12), weight: integers([5, 4], 13), bias: integers([5], 14) },
      differentiable: ['x'],
      exact: true,
    },
  ],
  refusals: [
    {
      name: 'a weight for another number of inputs',
      code: 'ERR_SHAPE',
      call: (device) => linear(device.zeros([2, 3]), device.zeros([4, 2])),
    },
    {
      name: 'a bias of another length',
      code: 'ERR_SHAPE',
      call: (device) => linear(device.zeros([2, 3]), device.zeros([4, 3]), device.zeros([3])),
    },
    {
      name: 'an image',
      code: 'ERR_SHAPE',
      call: (device) => linear(device.zeros([2, 3, 1, 1]), device.zeros([4, 3])),
    },
  ],
});
