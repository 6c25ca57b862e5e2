/**
 * Learning rate schedules: factors that depend only on the step, counted from 0, so that a resumed run needs no other
 * state. Set `optimizer.learningRateFactor = schedule(step)` before each step.
 */
import { expectArguments, optionsOf } from '../arguments.js';
import { expectNumber } from '../engine/check.js';

export type Schedule = (step: number) => number;

/** Always 1. */
export function constant(): Schedule {
  expectArguments('constant', arguments.length, 0);
  return () => 1;
}

const WARMUP_COSINE = { warmupSteps: 0, totalSteps: undefined, floor: 0 };

/**
 * Increases linearly from 1 / warmupSteps to 1 in `warmupSteps` steps (Goyal et al. 2017), then decreases along half a
 * cosine to `floor` at `totalSteps` (Loshchilov and Hutter, SGDR, ICLR 2017) and stays there.
 */
export function warmupCosine(options: {
  /** Default 0. */
  warmupSteps?: number;
  totalSteps: number;
  /** Default 0. */
  floor?: number;
}): Schedule {
  expectArguments('warmupCosine', arguments.length, 1);
  const { totalSteps, warmupSteps, floor } = optionsOf('warmupCosine', options, WARMUP_COSINE);
  expectNumber('warmupCosine', 'totalSteps', totalSteps, { min: 1, integer: true });
  expectNumber('warmupCosine', 'warmupSteps', warmupSteps, { min: 0, max: totalSteps, integer: true });
  expectNumber('warmupCosine', 'floor', floor, { min: 0, max: 1 });
  return (step) => {
    if (step < warmupSteps) return (step + 1) / warmupSteps;
    if (step >= totalSteps) return floor;
    const progress = (step - warmupSteps) / (totalSteps - warmupSteps);
    return floor + ((1 - floor) * (1 + Math.cos(Math.PI * progress))) / 2;
  };
}

const STEP_DECAY = { every: undefined, factor: undefined };

/** Multiplies the rate by `factor` every `every` steps. */
export function stepDecay(options: { every: number; factor: number }): Schedule {
  expectArguments('stepDecay', arguments.length, 1);
  const { every, factor } = optionsOf('stepDecay', options, STEP_DECAY);
  expectNumber('stepDecay', 'every', every, { min: 1, integer: true });
  expectNumber('stepDecay', 'factor', factor, { above: 0, max: 1 });
  return (step) => factor ** Math.floor(step / every);
}
