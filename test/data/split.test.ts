import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { checkSplit, DEFAULT_SPLIT, splitOf } from '#spinegrad/data/split.js';

const studyIds = fc.uniqueArray(fc.stringMatching(/^[0-9]{4,12}$/), { minLength: 1, maxLength: 60 });
const specs = fc.oneof(
  fc.record({
    seed: fc.integer(),
    fractions: fc.constant(DEFAULT_SPLIT.fractions),
    folds: fc.constant(null),
    fold: fc.constant(null),
  }),
  fc
    .tuple(fc.integer(), fc.integer({ min: 3, max: 10 }), fc.nat())
    .map(([seed, folds, n]) => ({ ...DEFAULT_SPLIT, seed, folds, fold: n % folds })),
);

describe('splitOf', () => {
  test('does not depend on other studies and their order', () => {
    fc.assert(
      fc.property(studyIds, studyIds, specs, (first, added, spec) => {
        const splits = new Map<string, Set<string>>();
        for (const id of [...first, ...added.reverse(), ...first]) {
          splits.set(id, (splits.get(id) ?? new Set()).add(splitOf(id, spec)));
        }
        expect([...splits.values()].every((found) => found.size === 1)).toBe(true);
      }),
    );
  });

  test('puts a study into the test set of one fold and the validation set of one fold', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[0-9]{4,12}$/), fc.integer({ min: 3, max: 10 }), (id, folds) => {
        const splits = Array.from({ length: folds }, (_, fold) =>
          splitOf(id, { ...DEFAULT_SPLIT, folds, fold }),
        );
        expect(splits.filter((split) => split === 'test')).toHaveLength(1);
        expect(splits.filter((split) => split === 'validation')).toHaveLength(1);
      }),
    );
  });

  test('gives sets with the requested fractions', () => {
    const counts = { train: 0, validation: 0, test: 0 };
    for (let id = 0; id < 20_000; id++) counts[splitOf(String(id), DEFAULT_SPLIT)]++;
    expect(counts.train / 20_000).toBeCloseTo(0.7, 1);
    expect(counts.validation / 20_000).toBeCloseTo(0.15, 1);
  });

  test.each([
    { seed: 0.5 },
    { fractions: { train: 0.9, validation: 0.2, test: 0.1 } },
    { fractions: { train: 1.2, validation: -0.2, test: 0 } },
    { folds: 2, fold: 0 },
    { folds: 5, fold: 5 },
    { folds: 5, fold: null },
  ])('checkSplit rejects %o', (change) => {
    expect(() => checkSplit({ ...DEFAULT_SPLIT, ...change })).toThrow(
      expect.objectContaining({ code: 'ERR_SPLIT' }),
    );
  });
});
