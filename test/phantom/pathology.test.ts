/** The findings of the phantom: how often they occur, and what they do to anatomy and readings. */
import { describe, expect, it } from 'vitest';
import { LEVELS } from '#spinegrad/anatomy.js';
import { FLOW_FRACTION } from '#spinegrad/phantom/canal.js';
import { FRACTURE_FRACTION } from '#spinegrad/phantom/fractures.js';
import { FRAGMENT_FRACTION, fragmentThickness } from '#spinegrad/phantom/fragment.js';
import {
  HAEMANGIOMA_FRACTION,
  type Lesions,
  lesionSignal,
  modicProbability,
  NODE_FRACTION,
} from '#spinegrad/phantom/lesions.js';
import { LIPOMATOSIS_FRACTION, SCOLIOSIS_FRACTION } from '#spinegrad/phantom/pathology.js';
import { readStudy } from '#spinegrad/phantom/reader.js';
import { tissueSignals } from '#spinegrad/phantom/sequence.js';
import { ANTERIOR_FRACTION, drawSlips, SLIP_FRACTION } from '#spinegrad/phantom/slips.js';
import { drawStudy, type PhantomStudy } from '#spinegrad/phantom/study.js';
import { L1, S1, VERTEBRAE } from '#spinegrad/phantom/vertebrae.js';
import { RandomStream } from '#spinegrad/random.js';

const STUDIES = 800;
const studies = Array.from({ length: STUDIES }, (_, index) => drawStudy(51, index, 'rsna', 5));

/** The fraction of `count` draws, within four standard errors. */
function expectFraction(found: number, target: number, count: number): void {
  expect(Math.abs(found / count - target)).toBeLessThan(4 * Math.sqrt((target * (1 - target)) / count));
}

const countOf = (matches: (study: PhantomStudy) => boolean) => studies.filter(matches).length;

const slipOf = ({ pathology }: PhantomStudy) => pathology.slips.findIndex((slip) => slip !== 0);

/** The mean over the studies that match. */
function mean(matches: (study: PhantomStudy) => boolean, value: (study: PhantomStudy) => number): number {
  const values = studies.filter(matches).map(value);
  expect(values.length).toBeGreaterThan(20);
  return values.reduce((a, b) => a + b) / values.length;
}

describe('the findings', () => {
  it('occur at their frequencies', () => {
    expectFraction(
      countOf(({ pathology }) => pathology.fractures.some(Boolean)),
      FRACTURE_FRACTION,
      STUDIES,
    );
    expectFraction(
      countOf(({ pathology }) => pathology.fragment !== null),
      FRAGMENT_FRACTION,
      STUDIES,
    );
    expectFraction(
      countOf(({ pathology }) => pathology.lipomatosis > 0),
      LIPOMATOSIS_FRACTION,
      STUDIES,
    );
    expectFraction(
      countOf(({ pathology }) => pathology.scoliosis > 0),
      SCOLIOSIS_FRACTION,
      STUDIES,
    );
    expectFraction(
      countOf(({ canal }) => canal.flow > 0),
      FLOW_FRACTION,
      STUDIES,
    );
  });

  it('include a slip in a tenth of the patients, and in twice as many with a stenotic level', () => {
    for (const [narrowing, fraction] of [
      [0, SLIP_FRACTION],
      [0.6, 2 * SLIP_FRACTION],
    ] as const) {
      const slips = studies.map((_, index) =>
        drawSlips(new RandomStream(5, index), [0, 0, 0, narrowing, 0]).filter(Boolean),
      );
      expectFraction(slips.filter(({ length }) => length > 0).length, fraction, STUDIES);
      const all = slips.flat();
      expectFraction(all.filter((slip) => slip < 0).length, ANTERIOR_FRACTION, all.length);
    }
  });

  it('of the bones occur at their frequencies', () => {
    const lesions = studies.map(({ pathology }) => pathology.lesions);
    const nodes = lesions.flatMap((each) => each.nodes.flat()).filter(Boolean).length;
    const endplates = 2 * (S1 - 1 - VERTEBRAE.indexOf('T11'));
    expectFraction(nodes, NODE_FRACTION, endplates * STUDIES);
    const haemangiomas = lesions.flatMap((each) => each.haemangiomas).filter(Boolean).length;
    expectFraction(haemangiomas, HAEMANGIOMA_FRACTION, (S1 - VERTEBRAE.indexOf('T11')) * STUDIES);
    let changed = 0;
    let expected = 0;
    for (const { spine, pathology } of studies) {
      for (let disc = L1; disc < S1; disc++) {
        expected += modicProbability(spine.discs[disc]!.degeneration);
        if (pathology.lesions.endplates[disc]![1] !== null) changed++;
        // Both endplates of a disc change, or none.
        const below = pathology.lesions.endplates[disc + 1]![0];
        expect(below === null).toBe(pathology.lesions.endplates[disc]![1] === null);
      }
    }
    expect(Math.abs(changed - expected)).toBeLessThan(4 * Math.sqrt(expected));
    expect(expected / STUDIES).toBeGreaterThan(0.3);
  });

  it('leave the levels in order, at the posterior margins of their discs', () => {
    for (const study of studies) {
      const { levelPosition, wall, discs } = study.spine;
      for (const [level, s] of levelPosition.entries()) {
        if (level > 0) expect(s - levelPosition[level - 1]!).toBeGreaterThan(17);
        const disc = discs.find((each) => each.level === LEVELS[level])!;
        const [y, z] = wall.point(s, 0);
        const margin = [
          disc.y + disc.halfDepth * Math.cos(disc.angle),
          disc.z + disc.halfDepth * Math.sin(disc.angle),
        ];
        expect(Math.hypot(y - margin[0]!, z - margin[1]!)).toBeLessThan(4);
      }
    }
  });

  it('are read alike in every sequence', () => {
    for (const study of studies.slice(0, 25)) {
      const stir = { ...study.acquisition, suppression: 'stir' } as const;
      expect(readStudy({ ...study, acquisition: stir, signals: tissueSignals(stir) })).toEqual(
        readStudy(study),
      );
    }
  });

  it('narrow the canal for the reader at the level of a fragment', () => {
    const narrowing = (at: boolean) => {
      const found = studies.slice(0, 300).flatMap((study) => {
        const { fragment } = study.pathology;
        if (fragment === null || fragment.thickness < 4) return [];
        return readStudy(study).filter((_, level) => (level === fragment.level) === at);
      });
      return found.reduce((sum, reading) => sum + reading.narrowing, 0) / found.length;
    };
    expect(narrowing(true)).toBeGreaterThan(narrowing(false) + 0.1);
  });
});

describe('a finding changes the anatomy', () => {
  it('a slip moves the vertebra, the canal and the arch over the next vertebra', () => {
    const slipped = studies.filter((study) => slipOf(study) >= 0);
    for (const { spine, pathology } of slipped) {
      const index = pathology.slips.findIndex((slip) => slip !== 0);
      const [upper, lower] = [spine.vertebrae[index]!, spine.vertebrae[index + 1]!];
      const edge = (body: typeof upper, q: number) =>
        body.y + body.halfDepth * Math.cos(body.angle) - q * Math.sin(body.angle);
      const step = edge(upper, -upper.halfHeight) - edge(lower, lower.halfHeight);
      const { discs } = spine;
      const disc = discs[index]!;
      const straight = 2 * disc.halfHeight * Math.sin(disc.angle);
      expect(Math.abs(step - straight - pathology.slips[index]! * Math.cos(disc.angle))).toBeLessThan(6);
    }
    expect(slipped.some(({ pathology }) => Math.min(...pathology.slips) < -6)).toBe(true);
  });

  it('a fracture lowers the body', () => {
    const heights = (fractured: boolean) => {
      const found = studies.flatMap(({ spine, pathology }) =>
        spine.vertebrae
          .filter((_, i) => (pathology.fractures[i] !== null) === fractured && i >= L1 - 1 && i < S1)
          .map((body) => (2 * (body.halfHeight - body.wedge * body.halfDepth)) / spine.size),
      );
      return found.reduce((a, b) => a + b) / found.length;
    };
    expect(heights(true)).toBeLessThan(0.85 * heights(false));
  });

  it('lipomatosis narrows the sac at L5, and a scoliosis bends the midline', () => {
    const depth = ({ spine, canal }: PhantomStudy) => {
      const [anterior, posterior] = canal.sac((spine.levelPosition[3]! + spine.levelPosition[4]!) / 2);
      return posterior - anterior;
    };
    const fat = ({ pathology }: PhantomStudy) => pathology.lipomatosis > 0;
    expect(mean(fat, depth)).toBeLessThan(0.8 * mean((study) => !fat(study), depth));
    const bend = ({ spine: { midline } }: PhantomStudy) => {
      const heights = Array.from({ length: 13 }, (_, i) => midline(60 - 10 * i));
      return Math.max(...heights) - Math.min(...heights);
    };
    const curved = ({ pathology }: PhantomStudy) => pathology.scoliosis > 0;
    expect(mean(curved, bend)).toBeGreaterThan(2 * mean((study) => !curved(study), bend));
  });

  it('a fragment displaces the sac at its place', () => {
    for (const { pathology, spine, canal } of studies) {
      const { fragment } = pathology;
      if (fragment === null) continue;
      const s = spine.levelPosition[fragment.level]! + fragment.offset;
      const point = { inside: false, signal: 0, csf: 0 };
      const signals = tissueSignals({
        repetitionTime: 4000,
        echoTime: 100,
        suppression: 'none',
        fieldStrength: 1.5,
      });
      const [anterior] = canal.sac(s);
      const thickness = fragmentThickness(fragment, fragment.offset, 0);
      if (thickness < 3) continue;
      canal.sample(s, anterior - 1, 0, signals, point);
      expect(point.csf).toBe(0);
      expect(fragmentThickness(fragment, fragment.offset + 20, 0)).toBeLessThan(0.1);
    }
  });
});

describe('the signal of a lesion', () => {
  const none: [null, null] = [null, null];
  const plain: Lesions = {
    endplates: VERTEBRAE.map(() => none),
    nodes: VERTEBRAE.map(() => none),
    haemangiomas: VERTEBRAE.map(() => null),
  };
  const withAt = <K extends keyof Lesions>(key: K, value: Lesions[K][number]): Lesions => ({
    ...plain,
    [key]: VERTEBRAE.map((_, i) => (i === L1 ? value : plain[key][i])),
  });
  const sequence = { repetitionTime: 4000, echoTime: 100, suppression: 'none', fieldStrength: 1.5 } as const;
  const { texture } = studies[0]!;
  const point = { p: 0, q: 11, u: 0, fromEndplate: 1, half: 16 };
  const value = (lesions: Lesions, signals = tissueSignals(sequence)) =>
    lesionSignal(lesions, L1, point, { signals, texture }, signals.marrow);
  const marrow = tissueSignals(sequence).marrow;

  it('is that of the marrow without lesions', () => {
    expect(value(plain)).toBe(marrow);
  });

  it('of Modic 1 is bright in T2 and STIR, of Modic 2 bright in T2 only, of Modic 3 dark', () => {
    const change = (tissue: 'oedema' | 'fat' | 'sclerosis') =>
      withAt('endplates', [{ tissue, height: 8, centre: 0, strength: 0.9 }, null]);
    const stir = tissueSignals({ ...sequence, suppression: 'stir' });
    expect(value(change('oedema'))).toBeGreaterThan(1.3 * marrow);
    expect(value(change('oedema'), stir)).toBeGreaterThan(1.3 * stir.marrow);
    expect(value(change('fat'))).toBeGreaterThan(1.3 * marrow);
    expect(value(change('fat'), stir)).toBeLessThan(0.7 * stir.marrow);
    expect(value(change('sclerosis'))).toBeLessThan(0.7 * marrow);
  });

  it('of a Schmorl node is dark, of a haemangioma bright', () => {
    expect(value(withAt('nodes', [{ p: 0, u: 0, depth: 5, width: 4 }, null]))).toBeLessThan(0.8 * marrow);
    expect(value(withAt('haemangiomas', { p: 0, q: 8, u: 0, radius: 7 }))).toBeGreaterThan(1.3 * marrow);
  });
});
