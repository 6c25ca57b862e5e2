import { describe, expect, it } from 'vitest';
import type { Level, Point } from '#spinegrad/anatomy.js';
import { predictedCentre } from '#spinegrad/training/predictedCentre.js';

const STEP: Point = [0, 35];
const named = (discs: Partial<Record<Level, Point>>) =>
  Object.entries(discs).map(([level, point]) => ({ level: level as Level, point }));

describe('predictedCentre', () => {
  it('is that of the found disc', () => {
    expect(predictedCentre(named({ 'L3/L4': [50, 60], 'L4/L5': [51, 97] }), 'L4/L5', STEP)).toEqual([51, 97]);
  });

  it('is between the nearest found discs above and below', () => {
    const found = named({ 'L1/L2': [0, 0], 'L2/L3': [40, 30], 'L5/S1': [55, 135] });
    expect(predictedCentre(found, 'L3/L4', STEP)).toEqual([45, 65]);
    expect(predictedCentre(found, 'L4/L5', STEP)).toEqual([50, 100]);
  });

  it('is beyond the last found discs, at their distance', () => {
    const found = named({ 'L2/L3': [40, 30], 'L3/L4': [42, 66] });
    expect(predictedCentre(found, 'L5/S1', STEP)).toEqual([46, 138]);
    expect(predictedCentre(found, 'L1/L2', STEP)).toEqual([38, -6]);
  });

  it('is one or more usual steps from the only found disc', () => {
    expect(predictedCentre(named({ 'L4/L5': [40, 100] }), 'L2/L3', STEP)).toEqual([40, 30]);
  });

  it('is null if no disc was found', () => {
    expect(predictedCentre([], 'L4/L5', STEP)).toBeNull();
  });
});
