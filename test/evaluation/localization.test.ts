import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Level, Point } from '#spinegrad/anatomy.js';
import {
  discErrors,
  type EvaluatedSlice,
  summariseLocalization,
} from '#spinegrad/evaluation/localization.js';
import { formatLocalization, readLocalization } from '#spinegrad/evaluation/localizationFile.js';

type Discs = Partial<Record<Level, Point>>;

const entries = (discs: Discs) => Object.entries(discs) as [Level, Point][];

function slice(
  study: string,
  annotated: Discs,
  found: Discs,
  more: Partial<EvaluatedSlice> = {},
): EvaluatedSlice {
  return {
    study,
    series: 'T2',
    image: `${study}.png`,
    pixelSpacing: [1, 1],
    annotated: entries(annotated).map(([level, centre]) => ({ level, centre })),
    found: entries(found).map(([level, point]) => ({
      level,
      point,
      probability: 0.9,
      levelProbability: 0.8,
    })),
    doubts: [],
    ...more,
  };
}

const SPINE: Discs = { 'L3/L4': [50, 30], 'L4/L5': [50, 60], 'L5/S1': [50, 90] };
const moved = (dx: number, dy: number): Discs =>
  Object.fromEntries(entries(SPINE).map(([level, [x, y]]) => [level, [x + dx, y + dy]]));
const summarise = (...slices: EvaluatedSlice[]) => summariseLocalization(slices.flatMap(discErrors));

describe('localization errors', () => {
  it('are Euclidean distances in px and in mm by the spacing of each slice, per level and series', () => {
    const found = summarise(
      slice(
        'a',
        { 'L1/L2': [10, 10], 'L2/L3': [20, 20] },
        { 'L1/L2': [13, 14], 'L2/L3': [20, 20] },
        {
          pixelSpacing: [2, 1],
        },
      ),
      slice('b', { 'L1/L2': [0, 0] }, { 'L1/L2': [12, 0] }, { pixelSpacing: [1, 0.5], series: 'T1' }),
    );
    expect(found).toMatchObject({ n: 3, found: 3, medianMm: 6, within10Mm: 1 });
    expect(found.rmsePx).toBeCloseTo(Math.sqrt((25 + 0 + 144) / 3), 12);
    expect(found.rmseMm).toBeCloseTo(Math.sqrt((9 + 64 + 0 + 36) / 3), 12);
    expect(found.within5Mm).toBeCloseTo(1 / 3, 12);
    expect(Object.keys(found.perLevel)).toEqual(['L1/L2', 'L2/L3']);
    expect(found.perLevel['L1/L2']).toMatchObject({ n: 2, within5Mm: 0, rmsePx: Math.sqrt(169 / 2) });
    expect(Object.keys(found.perSeries)).toEqual(['T1', 'T2']);
    expect(found.perSeries.T1).toMatchObject({ n: 1, medianMm: 6, patientsNamed: { k: 1, n: 1 } });
  });

  it('count a disc that was not found as far away, but not in the root mean square', () => {
    const found = summarise(slice('a', SPINE, { 'L4/L5': [50, 62] }));
    expect(found).toMatchObject({ n: 3, found: 1, medianMm: null, rmseMm: 2 });
    expect(found.within5Mm).toBeCloseTo(1 / 3, 12);
    expect(found.anyLevel.medianMm).toBeNull();
  });

  it('separate finding from naming: shifted levels are near discs, with the wrong names', () => {
    const shifted: Discs = { 'L2/L3': [50, 31], 'L3/L4': [50, 61], 'L4/L5': [50, 91] };
    const found = summarise(slice('a', SPINE, shifted), slice('b', SPINE, moved(0, 2)));
    expect(found.anyLevel).toEqual({ medianMm: 1.5, within5Mm: 1 });
    expect(found.patientsNamed).toMatchObject({ k: 1, n: 2, rate: 0.5 });
    expect(found.within5Mm).toBe(0.5);
    expect(found.slices).toEqual({ wrong: 1, wrongDoubtful: 0, right: 1, rightDoubtful: 0 });
  });

  it('count a patient once: one slice with wrong levels makes the patient wrong', () => {
    const shifted: Discs = { 'L4/L5': [50, 90] };
    const found = summarise(slice('a', SPINE, moved(0, 0)), slice('a', SPINE, shifted, { image: 'a2.png' }));
    expect(found.patientsNamed).toMatchObject({ k: 0, n: 1 });
    expect(found.slices).toMatchObject({ wrong: 1, right: 1 });
  });

  it('count the slices with a mean error above 5 mm, and the doubtful ones', () => {
    const doubt = { doubts: ['few discs', 'level uncertain'] };
    const { slices } = summarise(
      slice('a', SPINE, moved(0, 5)),
      slice('b', SPINE, moved(0, 5), doubt),
      slice('c', SPINE, moved(0, 5.1), doubt),
      slice('d', SPINE, moved(0, 5.1)),
      slice('e', SPINE, {}, doubt),
    );
    expect(slices).toEqual({ wrong: 3, wrongDoubtful: 2, right: 2, rightDoubtful: 1 });
  });

  it('are null without discs', () => {
    expect(summarise()).toMatchObject({
      ...{ n: 0, found: 0, medianMm: null, within5Mm: null, rmsePx: null, perLevel: {}, perSeries: {} },
      patientsNamed: { k: 0, n: 0, rate: null },
    });
  });
});

describe('localization.csv', () => {
  it('reads back to the same errors and the same figures', async () => {
    const errors = [
      slice('=a', SPINE, moved(0.1, 1 / 3)),
      slice('b', SPINE, { 'L4/L5': [55, 60] }, { doubts: ['few discs', 'tilted'] }),
    ].flatMap(discErrors);
    const folder = await mkdtemp(join(tmpdir(), 'spinegrad-localization-'));
    try {
      const path = join(folder, 'localization.csv');
      await writeFile(path, formatLocalization(errors));
      const read = await readLocalization(path);
      expect(read).toEqual(errors);
      expect(summariseLocalization(read)).toEqual(summariseLocalization(errors));
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
