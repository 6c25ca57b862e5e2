import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { constant, stepDecay, warmupCosine } from '#spinegrad/optim/schedules.js';

describe('schedules', () => {
  it('warmupCosine increases linearly, then decreases along half a cosine to the floor', () => {
    const schedule = warmupCosine({ warmupSteps: 4, totalSteps: 12, floor: 0.1 });
    expect([0, 1, 3, 4].map(schedule)).toEqual([0.25, 0.5, 1, 1]);
    expect(schedule(8)).toBeCloseTo(0.55, 12);
    expect(schedule(12)).toBe(0.1);
    expect(schedule(1000)).toBe(0.1);
  });

  it('warmupCosine without warm-up equals CosineAnnealingLR of PyTorch', () => {
    const schedule = warmupCosine({ totalSteps: 5 });
    // torch.optim.lr_scheduler.CosineAnnealingLR(T_max=5, eta_min=0) with rate 1.
    const expected = [1, 0.9045084971874737, 0.6545084971874737, 0.34549150281252633, 0.09549150281252627, 0];
    expected.forEach((value, step) => {
      expect(schedule(step)).toBeCloseTo(value, 12);
    });
  });

  it('warmupCosine is at most 1, at least the floor after the warm-up, and does not increase then', () => {
    const options = fc
      .record({
        totalSteps: fc.integer({ min: 1, max: 500 }),
        floor: fc.double({ min: 0, max: 1, noNaN: true }),
      })
      .chain((settings) =>
        fc.record({
          ...mapConstant(settings),
          warmupSteps: fc.integer({ min: 0, max: settings.totalSteps }),
        }),
      );
    fc.assert(
      fc.property(options, (settings) => {
        const schedule = warmupCosine(settings);
        for (let step = 0; step < settings.totalSteps + 3; step++) {
          const factor = schedule(step);
          expect(factor).toBeLessThanOrEqual(1);
          expect(factor).toBeGreaterThanOrEqual(step < settings.warmupSteps ? 0 : settings.floor - 1e-12);
          if (step > settings.warmupSteps) expect(factor).toBeLessThanOrEqual(schedule(step - 1) + 1e-12);
        }
      }),
      { numRuns: 50, seed: 1 },
    );
  });

  it('constant is 1, and stepDecay multiplies by the factor every `every` steps', () => {
    expect(constant()(7)).toBe(1);
    expect([0, 9, 10, 25].map(stepDecay({ every: 10, factor: 0.5 }))).toEqual([1, 1, 0.5, 0.25]);
  });

  it('throws ERR_ARGUMENT for invalid settings', () => {
    const bad = expect.objectContaining({ name: 'SpinegradError', code: 'ERR_ARGUMENT' });
    expect(() => warmupCosine({ totalSteps: 0 })).toThrow(bad);
    expect(() => warmupCosine({ totalSteps: 5, warmupSteps: 6 })).toThrow(bad);
    expect(() => warmupCosine({ totalSteps: 5, floor: 2 })).toThrow(bad);
    expect(() => stepDecay({ every: 0, factor: 0.5 })).toThrow(bad);
  });
});

const mapConstant = <T extends object>(values: T): { [K in keyof T]: fc.Arbitrary<T[K]> } =>
  Object.fromEntries(Object.entries(values).map(([key, value]) => [key, fc.constant(value)])) as never;
