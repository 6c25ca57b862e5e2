/** The ensemble of the repeats of an arm against its members. */
import { describe, expect, it } from 'vitest';
import { evaluate } from '#spinegrad/evaluation/evaluate.js';
import type { Predictions } from '#spinegrad/evaluation/types.js';
import { evaluateEnsemble, meanPredictions } from '#spinegrad/study/ensemble.js';
import { evaluateRepeats } from '#spinegrad/study/evaluateArm.js';
import { poolFolds } from '#spinegrad/study/samples.js';
import { PFIRRMANN } from '../tasks/examples.js';
import { simulateStudy } from './simulate.js';

const OPTIONS = { seed: 1, resamples: 200, permutations: 200 };

const { facts, lines } = simulateStudy({
  ...{ labels: [1], arms: { scratch: 1.2 }, crops: ['predicted'], repeats: 4 },
});
const { predictions: repeats } = poolFolds(lines, facts.cells);

const ensembleOf = (predictions: readonly Predictions[]) => {
  const evaluated = evaluateRepeats(predictions, PFIRRMANN, OPTIONS);
  return {
    members: evaluated.result.metrics,
    ensemble: evaluateEnsemble({ name: 'scratch', predictions, evaluated }, PFIRRMANN, OPTIONS),
  };
};

describe('an ensemble', () => {
  const { members, ensemble } = ensembleOf(repeats);

  it('grades by the mean probabilities of the repeats', () => {
    const probabilities = repeats[0]!.probabilities.map((row, disc) =>
      row.map((_, grade) => repeats.reduce((sum, own) => sum + own.probabilities[disc]![grade]!, 0) / 4),
    );
    const single = evaluate({ ...repeats[0]!, probabilities }, PFIRRMANN, { resamples: 10 });
    const { metrics, mostSevereAsMildest } = ensemble!;
    expect(ensemble!.members).toBe(4);
    expect(metrics.balancedAccuracy.value).toBeCloseTo(single.balancedAccuracy.value, 12);
    expect(metrics.kappa.value).toBeCloseTo(single.kappa!, 12);
    expect(metrics.weightedLogLoss.value).toBeCloseTo(single.weightedLogLoss, 12);
    expect(mostSevereAsMildest!.k).toBe(single.mostSevereAsMildest!.k);
  });

  it('is compared with the mean of its members on the same patients', () => {
    const { difference, metrics } = ensemble!;
    for (const name of ['balancedAccuracy', 'kappa', 'auroc', 'weightedLogLoss'] as const)
      expect(difference[name].value).toBeCloseTo(metrics[name].value! - members[name].value!, 12);
    // Independent errors cancel.
    expect(difference.balancedAccuracy.low!).toBeGreaterThan(0);
    expect(difference.balancedAccuracy.p!).toBeLessThan(0.05);
    expect(difference.weightedLogLoss.high!).toBeLessThan(0);
  });

  it('of copies adds nothing, because both have the same resamples', () => {
    const { ensemble: copies } = ensembleOf([repeats[0]!, repeats[0]!]);
    const { value, low, high, p } = copies!.difference.balancedAccuracy;
    expect([value, low, high, p]).toEqual([0, 0, 0, 1]);
  });

  it('needs two repeats of the same discs', () => {
    expect(ensembleOf(repeats.slice(0, 1)).ensemble).toBeNull();
    const short = {
      ...repeats[1]!,
      ...{ studyId: repeats[1]!.studyId.slice(1), level: repeats[1]!.level.slice(1) },
      ...{ truth: repeats[1]!.truth.slice(1), probabilities: repeats[1]!.probabilities.slice(1) },
    };
    expect(meanPredictions([repeats[0]!, short])).toBeNull();
    const other = { ...repeats[1]!, level: repeats[1]!.level.map(() => 'T12/L1') };
    expect(meanPredictions([repeats[0]!, other])).toBeNull();
  });
});
