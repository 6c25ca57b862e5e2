import { expect, it } from 'vitest';
import { inversionTime, type Sequence, signalOf, tissueSignals } from '#spinegrad/phantom/sequence.js';
import { TISSUES } from '#spinegrad/phantom/tissue.js';

const spinEcho: Sequence = { repetitionTime: 4000, echoTime: 100, suppression: 'none', fieldStrength: 1.5 };

it('the signal of a spin echo is PD (1 - exp(-TR/T1)) exp(-TE/T2)', () => {
  const { t1, t2, protonDensity } = TISSUES.muscle;
  const expected = protonDensity * (1 - Math.exp(-4000 / t1)) * Math.exp(-100 / t2);
  expect(signalOf(TISSUES.muscle, spinEcho)).toBeCloseTo(expected, 10);
});

it('STIR nulls fat at every field strength, and CSF stays bright', () => {
  for (const fieldStrength of [0.3, 1.5, 3]) {
    const stir: Sequence = { ...spinEcho, echoTime: 60, suppression: 'stir', fieldStrength };
    const signals = tissueSignals(stir);
    expect(signals.fat).toBeLessThan(1e-9);
    expect(signals.csf).toBeGreaterThan(40);
    expect(signals.marrow).toBeLessThan(0.5 * tissueSignals({ ...stir, suppression: 'none' }).marrow);
  }
  expect(inversionTime({ ...spinEcho, suppression: 'stir' })).toBeCloseTo(265, 0);
  expect(inversionTime(spinEcho)).toBeNull();
});

it('a Dixon water image has little fat and less marrow, and the same CSF', () => {
  const [plain, water] = [tissueSignals(spinEcho), tissueSignals({ ...spinEcho, suppression: 'dixon' })];
  expect(water.fat / plain.fat).toBeLessThan(0.1);
  expect(water.marrow / plain.marrow).toBeCloseTo(0.5, 6);
  expect(water.csf).toBe(plain.csf);
});

it('T1 grows with the field strength: T1-weighted signals fall, that of CSF is the same', () => {
  const at = (fieldStrength: number) =>
    tissueSignals({ repetitionTime: 550, echoTime: 10, suppression: 'none', fieldStrength });
  for (const tissue of ['muscle', 'marrow', 'fat', 'cord'] as const) {
    expect(at(0.3)[tissue]).toBeGreaterThan(at(1.5)[tissue]);
    expect(at(1.5)[tissue]).toBeGreaterThan(at(3)[tissue]);
  }
  expect(at(0.3).csf).toBe(at(3).csf);
});
