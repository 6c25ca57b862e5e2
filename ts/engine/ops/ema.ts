import { expectArguments } from '../../arguments.js';
import { expectNumber } from '../check.js';
import { contract } from '../contract.js';
import type { Tensor } from '../tensor.js';
import { expectTuples } from './multitensor.js';

const STEP = contract('ema.step', { source: 'input[]', target: 'update[]', decay: 'real' });

export interface EmaTensors {
  source: Tensor;
  target: Tensor;
}

const NAMES = ['source', 'target'] as const;

/** Exponential moving average, in place, for many pairs at once: target += (1 - decay) * (source - target). */
export function ema(tensors: readonly EmaTensors[], decay: number): void {
  expectArguments('ema', arguments.length, 2);
  expectNumber('ema', 'decay', decay, { min: 0, max: 1 });
  const lists = expectTuples('ema', tensors, NAMES);
  if (!lists) return;
  const { source, target } = lists.tensors;
  lists.device.run(STEP, { source, target, decay });
}
