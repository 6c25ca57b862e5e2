import { type SoftArgmax2dOptions, softArgmax2d } from '#spinegrad/engine/ops/softArgmax2d.js';
import { describeOperation, normals, type Reference } from './descriptor.js';

function reference(
  { heatmaps }: Record<string, Reference>,
  options: SoftArgmax2dOptions | undefined,
): number[] {
  const [n, k, h, w] = heatmaps!.shape as [number, number, number, number];
  const temperature = options?.temperature ?? 1;
  const result: number[] = [];
  for (let map = 0; map < n * k; map++) {
    const heat = heatmaps!.values.subarray(map * h * w, (map + 1) * h * w);
    const max = Math.max(...heat);
    let total = 0;
    let x = 0;
    let y = 0;
    heat.forEach((value, pixel) => {
      const p = Math.exp((value - max) / temperature);
      total += p;
      x += p * (pixel % w);
      y += p * Math.floor(pixel / w);
    });
    result.push(x / total, y / total);
  }
  return result;
}

const peak = [...Array(12).keys()].map((pixel) => (pixel === 7 ? 1e4 : 0));

describeOperation<SoftArgmax2dOptions | undefined>({
  name: 'softArgmax2d',
  run: ({ heatmaps }, options) => softArgmax2d(heatmaps!, options),
  reference,
  differentiable: ['heatmaps'],
  tolerance: {
    units: 16,
    gradientUnits: 48,
    reason:
      'exp((h - max) / temperature) rounds by 8 u for exponents down to -8; dh multiplies it by the offset from the mean',
  },
  golden: true,
  cases: [
    { name: 'one pixel', inputs: { heatmaps: normals([1, 1, 1, 1], 1) }, exact: true },
    { name: 'batch 1', inputs: { heatmaps: normals([1, 5, 8, 8], 2, 2) } },
    { name: 'odd sizes', inputs: { heatmaps: normals([2, 3, 5, 19], 3, 2) } },
    { name: 'temperature', inputs: { heatmaps: normals([2, 1, 7, 3], 4) }, options: { temperature: 0.25 } },
    { name: 'extreme peak', inputs: { heatmaps: { shape: [1, 1, 3, 4], values: peak } }, exact: true },
    {
      name: 'constant and far from 0',
      inputs: { heatmaps: { shape: [1, 1, 3, 3], values: Array(9).fill(-1e4) } },
    },
    {
      name: 'NaN stays in its map',
      inputs: { heatmaps: { shape: [1, 2, 1, 2], values: [Number.NaN, 0, 5, 5] } },
      differentiable: [],
    },
  ],
  refusals: [
    {
      name: 'temperature 0',
      code: 'ERR_ARGUMENT',
      call: (device) => softArgmax2d(device.zeros([1, 1, 2, 2]), { temperature: 0 }),
    },
    { name: 'a matrix', code: 'ERR_SHAPE', call: (device) => softArgmax2d(device.zeros([2, 2])) },
  ],
});
