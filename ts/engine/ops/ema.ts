import { expectNumber } from '../check.js';
import type { Tensor } from '../tensor.js';
import { expectTuples } from './multitensor.js';

export interface EmaTensors {
  source: Tensor;
  target: Tensor;
}

const NAMES = ['source', 'target'] as const;

/** Exponential moving average, in place, for many pairs at once: target += (1 - decay) * (source - target). */
export function ema(tensors: readonly EmaTensors[], decay: number): void {
  expectNumber('ema', 'decay', decay, { min: 0, max: 1 });
  const checked = expectTuples('ema', tensors, NAMES);
  if (!checked) return;
  const written = tensors.map(({ target }) => target);
  checked.device.run('ema.step', checked.tensors, written, [decay]);
}
