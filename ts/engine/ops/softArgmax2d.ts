import { expectArguments, optionsOf } from '../../arguments.js';
import { record } from '../autograd.js';
import { expectNumber, TEMPERATURE } from '../check.js';
import { contract } from '../contract.js';
import { expectTensor, type Tensor } from '../tensor.js';

const FORWARD = contract('softArgmax2d.forward', {
  heatmaps: 'input',
  y: 'output',
  statistics: 'output',
  temperature: 'real',
});
const BACKWARD = contract('softArgmax2d.backward', {
  heatmaps: 'input',
  y: 'input',
  statistics: 'input',
  dy: 'input',
  dx: 'output',
  temperature: 'real',
});

export interface SoftArgmax2dOptions {
  /** Divides the heatmaps; smaller values approach the argmax. From 1e-6 to 1e6. Default 1. */
  temperature?: number;
}

const DEFAULTS = { temperature: 1 };

/**
 * The mean position in each heatmap under the softmax over its pixels (integral regression, Sun et al. 2018):
 * heatmaps [N, K, H, W] -> [N, K, 2], x = column and y = row in heatmap pixels, with pixel centres at integers.
 *
 * @example
 * softArgmax2d(device.full([1, 5, 3, 3], 0)); // [1, 5, 2], each (1, 1): the centre of a flat map
 */
export function softArgmax2d(heatmaps: Tensor, options: SoftArgmax2dOptions = {}): Tensor {
  expectArguments('softArgmax2d', arguments.length, 2);
  const { temperature } = optionsOf('softArgmax2d', options, DEFAULTS);
  const [n, k] = expectTensor('softArgmax2d', 'heatmaps', heatmaps, { shape: [null, null, null, null] }) as [
    number,
    number,
  ];
  expectNumber('softArgmax2d', 'temperature', temperature, TEMPERATURE);
  const { device } = heatmaps;
  const y = device.empty([n, k, 2]);
  const statistics = device.empty([n, k, 2]);
  device.run(FORWARD, { heatmaps, y, statistics, temperature });
  return record(y, [heatmaps], [statistics], (dy) => {
    const dx = device.empty(heatmaps.shape);
    device.run(BACKWARD, { heatmaps, y, statistics, dy, dx, temperature });
    return [dx];
  });
}
