/** Maps of embeddings, and what their neighbours have in common. */
import { describe, expect, it } from 'vitest';
import { RandomStream } from '#spinegrad/random.js';
import { type EmbeddingMap, scannerScale } from '#spinegrad/study/embeddingMaps.js';
import { neighbourAgreement } from '#spinegrad/study/neighbours.js';
import { umapLayout } from '#spinegrad/study/umapLayout.js';

const FEATURES = 16;

/** Rows around as many directions as there are classes. */
function clusters(classes: readonly number[], seed = 1) {
  const random = new RandomStream(seed);
  const values = classes.flatMap((label) =>
    Array.from({ length: FEATURES }, (_, k) => random.normal(0, 0.3) + (k === label ? 2 : 0)),
  );
  return { values: Float32Array.from(values), length: FEATURES };
}

const classes = Array.from({ length: 90 }, (_, i) => i % 3);

describe('the layout', () => {
  const rows = clusters(classes);

  it('is the same for the same seed and another one for another seed', () => {
    const places = umapLayout(rows, 4);
    expect(umapLayout(rows, 4)).toEqual(places);
    expect(umapLayout(rows, 5)).not.toEqual(places);
  });

  it('does not depend on the length of the rows', () => {
    const scaled = rows.values.map((value, i) => value * (i < 45 * FEATURES ? 4 : 1));
    expect(umapLayout({ values: scaled, length: FEATURES }, 4)).toEqual(umapLayout(rows, 4));
  });

  it('keeps clusters together', () => {
    const places = umapLayout(rows, 1)!;
    const distance = (i: number, j: number) =>
      Math.hypot(places[i]![0] - places[j]![0], places[i]![1] - places[j]![1]);
    const nearest = places.map((_, i) => {
      const others = places.map((_, j) => j).filter((j) => j !== i);
      return others.reduce((best, j) => (distance(i, j) < distance(i, best) ? j : best));
    });
    expect(nearest.filter((j, i) => classes[j] === classes[i]).length).toBeGreaterThan(85);
  });

  it('needs eight rows', () => {
    expect(umapLayout(clusters(classes.slice(0, 7)), 1)).toBeNull();
    expect(umapLayout(clusters(classes.slice(0, 8)), 1)).toHaveLength(8);
  });
});

describe('the agreement of neighbours', () => {
  const patients = classes.map((_, i) => `${i >> 1}`);

  it('is 1 for separate classes and the chance for random labels', () => {
    const rows = clusters(classes);
    const same = neighbourAgreement(rows, classes, patients)!;
    expect(same.observed).toBeGreaterThan(0.98);
    expect(same.chance).toBeCloseTo(1 / 3, 1);
    const random = new RandomStream(9);
    const labels = classes.map(() => random.pick(['A', 'B']));
    const other = neighbourAgreement(rows, labels, patients)!;
    expect(Math.abs(other.observed - other.chance)).toBeLessThan(0.1);
  });

  it('leaves out discs of the same patient and rows without a label', () => {
    // Discs of a patient are equal, and each patient has a class of its own direction.
    const ofPatient = clusters(Array.from({ length: 12 }, (_, i) => i % 12));
    const values = Float32Array.from(
      Array.from({ length: 24 }, (_, i) => [
        ...ofPatient.values.subarray((i % 12) * FEATURES, ((i % 12) + 1) * FEATURES),
      ]).flat(),
    );
    const names = Array.from({ length: 24 }, (_, i) => `${i % 12}`);
    const found = neighbourAgreement({ values, length: FEATURES }, names, names)!;
    expect(found).toEqual({ observed: 0, chance: 0 });
    const some = names.map((name) => (Number(name) < 5 ? name : null));
    expect(neighbourAgreement({ values, length: FEATURES }, some, names)).not.toBeNull();
    const few = names.map((name) => (Number(name) < 3 ? name : null));
    expect(neighbourAgreement({ values, length: FEATURES }, few, names)).toBeNull();
  });
});

describe('the scale of the scanners', () => {
  const discs = (names: readonly (string | null)[]) => ({
    maps: [
      { arm: 'a', fold: 0, places: [], discs: names.map((_, i) => ({ study: `${i}`, grade: 0 })) },
    ] as EmbeddingMap[],
    groups: new Map(names.map((scanner, i) => [`${i}`, { scanner, fieldStrength: null }])),
  });
  const scaleOf = (names: readonly (string | null)[]) => {
    const { maps, groups } = discs(names);
    return scannerScale(maps, groups);
  };

  it('has the most frequent ones first', () => {
    const scale = scaleOf(['B', 'A', 'A', null])!;
    expect(scale.scale.grades.map(({ name }) => name)).toEqual(['A', 'B']);
    expect(['0', '1', '3', 'other'].map((study) => scale.indexOf(study))).toEqual([1, 0, null, null]);
  });

  it('joins rare ones', () => {
    const names = ['A', 'A', 'B', 'B', 'C', 'C', 'D', 'D', 'E', 'E', 'F', 'G'];
    const scale = scaleOf(names)!;
    expect(scale.scale.grades.map(({ name }) => name)).toEqual(['A', 'B', 'C', 'D', 'E', 'others']);
    expect([scale.indexOf('10'), scale.indexOf('11')]).toEqual([5, 5]);
  });

  it('is null for one scanner', () => {
    expect(scaleOf(['A', 'A', null])).toBeNull();
  });
});
