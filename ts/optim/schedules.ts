/**
 * Learning rate schedules: factors that depend only on the step, counted from 0, so that a resumed run needs no other
 * state. Set `optimizer.learningRateFactor = schedule(step)` before each step.
 */
import { expectNumber } from '../engine/check.js';

export type Schedule = (step: number) => number;

/** Always 1. */
export const constant = (): Schedule => () => 1;

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
  const { totalSteps } = options ?? {};
  expectNumber('warmupCosine', 'totalSteps', totalSteps, { min: 1, integer: true });
  const warmupSteps = expectNumber('warmupCosine', 'warmupSteps', options?.warmupSteps ?? 0, {
    min: 0,
    max: totalSteps,
    integer: true,
  });
  const floor = expectNumber('warmupCosine', 'floor', options?.floor ?? 0, { min: 0, max: 1 });
  return (step) => {
    if (step < warmupSteps) return (step + 1) / warmupSteps;
    if (step >= totalSteps) return floor;
    const progress = (step - warmupSteps) / (totalSteps - warmupSteps);
    return floor + ((1 - floor) * (1 + Math.cos(Math.PI * progress))) / 2;
  };
}

/** Multiplies the rate by `factor` every `every` steps. */
export function stepDecay(options: { every: number; factor: number }): Schedule {
  const every = expectNumber('stepDecay', 'every', options?.every, { min: 1, integer: true });
  const factor = expectNumber('stepDecay', 'factor', options?.factor, { above: 0, max: 1 });
  return (step) => factor ** Math.floor(step / every);
}
