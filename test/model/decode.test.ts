import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fitChain } from '#spinegrad/model/chain.js';
import type { ChainDisc, ChainNode, Naming } from '#spinegrad/model/chainDiscs.js';
import { type Candidate, ChainScore, REMNANT } from '#spinegrad/model/chainScore.js';
import { type Decoded, decode, LEVELS_UPWARDS } from '#spinegrad/model/decode.js';
import { findPeaks } from '#spinegrad/model/peaks.js';
import { LUMBAR_SHAPE, meanSegment } from '#spinegrad/model/spineShape.js';

const SIZE = 128;
const MM = 2.3;
const SIGMA = 2;

type Dot = { x: number; y: number; value: number };

/** A map with a Gaussian at each dot. */
function mapOf(dots: readonly Dot[]): Float32Array {
  return Float32Array.from({ length: SIZE * SIZE }, (_, i) =>
    Math.max(
      0,
      ...dots.map(({ x, y, value }) => {
        const square = ((i % SIZE) - x) ** 2 + (Math.floor(i / SIZE) - y) ** 2;
        return value * Math.exp(-square / (2 * SIGMA ** 2));
      }),
    ),
  );
}

/** Discs of the mean spine, from L5/S1 upwards, with the S1/S2 disc as element -1. */
function spine({ x = 60, y = 100, count = 6, tilt = 0, size = 1 } = {}): Dot[] & { remnant: Dot } {
  const step = (from: Dot, level: number, sign: 1 | -1): Dot => {
    const { logLength, direction } = meanSegment(LUMBAR_SHAPE, level, level + 1);
    const length = (sign * size * Math.exp(logLength)) / MM;
    const angle = ((direction + tilt) * Math.PI) / 180;
    return { x: from.x + length * Math.sin(angle), y: from.y - length * Math.cos(angle), value: 0.9 };
  };
  const discs: Dot[] = [{ x, y, value: 0.9 }];
  for (let level = 0; level + 1 < count; level++) discs.push(step(discs[level]!, level, 1));
  return Object.assign(discs, { remnant: step(discs[0]!, REMNANT, -1) });
}

const decodeDots = (dots: readonly Dot[], sacral: readonly Dot[], mm: number | null = MM): Decoded =>
  decode({ width: SIZE, height: SIZE, disc: mapOf(dots), levels: [mapOf(sacral)] }, mm);

const levels = ({ discs }: Decoded) => discs.map(({ level }) => level);

describe('findPeaks', () => {
  it('finds Gaussian maxima with sub-pixel accuracy, the largest first', () => {
    const dots = [
      { x: 20.3, y: 40.7, value: 0.6 },
      { x: 90.45, y: 60.1, value: 0.9 },
    ];
    const peaks = findPeaks({ width: SIZE, height: SIZE, values: mapOf(dots) }, 0.1, 9);
    expect(peaks).toHaveLength(2);
    for (const [index, dot] of [dots[1]!, dots[0]!].entries()) {
      expect(peaks[index]!.x).toBeCloseTo(dot.x, 3);
      expect(peaks[index]!.y).toBeCloseTo(dot.y, 3);
    }
  });

  it('finds one maximum of a plateau, and maxima at the border', () => {
    const values = new Float32Array(16).fill(0.5);
    expect(findPeaks({ width: 4, height: 4, values }, 0.1, 9)).toEqual([{ x: 0, y: 0, value: 0.5 }]);
    values[15] = 0.7;
    expect(findPeaks({ width: 4, height: 4, values }, 0.6, 9)[0]).toMatchObject({ x: 3, y: 3 });
    expect(findPeaks({ width: 4, height: 4, values }, 0.8, 9)).toEqual([]);
  });
});

describe('decode', () => {
  it.each([MM, null])('names the discs from the sacrum upwards with %s mm per pixel', (mm) => {
    const dots = spine();
    const decoded = decodeDots(dots, [dots[0]!], mm);
    expect(levels(decoded)).toEqual(LEVELS_UPWARDS.slice(0, dots.length));
    decoded.discs.forEach(({ point, probability, levelProbability, interpolated }, index) => {
      expect(Math.hypot(point[0] - dots[index]!.x, point[1] - dots[index]!.y)).toBeLessThan(0.05);
      expect(probability).toBeGreaterThan(0.98);
      expect(levelProbability).toBeGreaterThan(0.95);
      expect(interpolated).toBe(false);
    });
    expect(decoded.pitch).toBeCloseTo(36 / MM, 1);
  });

  it('interpolates one missed disc and marks it', () => {
    const dots = spine();
    const decoded = decodeDots(
      dots.filter((_, index) => index !== 2),
      [dots[0]!],
    );
    expect(levels(decoded)).toEqual(LEVELS_UPWARDS.slice(0, dots.length));
    expect(decoded.discs.map(({ interpolated }) => interpolated)).toEqual([
      false,
      false,
      true,
      false,
      false,
      false,
    ]);
    expect(Math.hypot(decoded.discs[2]!.point[0] - dots[2]!.x)).toBeLessThan(1);
  });

  it('is less certain of the levels without the sacral map than with it', () => {
    const dots = spine();
    const [known, unknown] = [decodeDots(dots, [dots[0]!]), decodeDots(dots, [])];
    expect(unknown.discs[0]!.levelProbability).toBeLessThan(known.discs[0]!.levelProbability);
  });

  it('leaves out a rudimentary S1/S2 disc', () => {
    const dots = spine();
    const { remnant } = dots;
    const decoded = decodeDots([...dots, { ...remnant, value: 0.7 }], [dots[0]!]);
    expect(levels(decoded)).toEqual(LEVELS_UPWARDS.slice(0, dots.length));
    expect(decoded.discs[0]!.point[1]).toBeCloseTo(dots[0]!.y, 1);
  });

  it('finds nothing without peaks', () => {
    expect(decodeDots([], [])).toEqual({
      ...{ discs: [], pitch: Number.NaN, evidence: 0, peaks: [], peakLevels: [] },
    });
  });

  it('names spines of any size, tilt and number of discs between false peaks', () => {
    const shape = fc.record({
      x: fc.double({ min: 45, max: 70, noNaN: true }),
      y: fc.double({ min: 95, max: 110, noNaN: true }),
      count: fc.integer({ min: 5, max: 6 }),
      tilt: fc.double({ min: -8, max: 8, noNaN: true }),
      size: fc.double({ min: 0.85, max: 1.1, noNaN: true }),
    });
    const falsePeak = fc.record({
      // Far from the spine.
      x: fc.double({ min: 105, max: 127, noNaN: true }),
      y: fc.double({ min: 0, max: 127, noNaN: true }),
      value: fc.double({ min: 0.1, max: 0.6, noNaN: true }),
    });
    fc.assert(
      fc.property(shape, fc.array(falsePeak, { maxLength: 4 }), (options, falsePeaks) => {
        const dots = spine(options);
        expect(levels(decodeDots([...dots, ...falsePeaks], [dots[0]!]))).toEqual(
          LEVELS_UPWARDS.slice(0, dots.length),
        );
      }),
      { numRuns: 40 },
    );
  });
});

describe('fitChain', () => {
  const scale = { mmPerPixel: 1, deviation: 0.13 };
  const candidates = fc.array(
    fc.record({
      x: fc.integer({ min: 0, max: 60 }),
      y: fc.integer({ min: 0, max: 140 }),
      disc: fc.double({ min: -3, max: 4, noNaN: true }),
      levels: fc.array(fc.double({ min: -4, max: 4, noNaN: true }), { maxLength: 2 }),
    }),
    { maxLength: 5 },
  );
  const distinct = candidates.filter((peaks) => new Set(peaks.map(({ y }) => y)).size === peaks.length);
  const LEVELS = 3;
  const BOUNDS = { top: 0, bottom: 150 };

  it.each<[string, Naming | null]>([
    ['all chains', null],
    [
      'the chains with the given names',
      { mayBe: (candidate, level) => (candidate + level) % 2 === 0, probability: () => 0.7 },
    ],
  ])('agrees with the enumeration of %s', (_, naming) => {
    fc.assert(
      fc.property(candidates, (peaks) => {
        const fit = fitChain(peaks, scale, LUMBAR_SHAPE, BOUNDS, LEVELS, naming);
        const { total, best, marginal } = enumerate(peaks, naming?.mayBe);
        expect(fit.evidence).toBeCloseTo(Math.log(total), 8);
        for (const [candidate, probabilities] of fit.levels.entries())
          for (const [i, probability] of probabilities.entries())
            expect(probability).toBeCloseTo(
              (marginal.get(nameOf({ candidate, level: i + REMNANT })) ?? 0) / total,
              8,
            );
        const found = fit.discs.filter(({ candidate }) => candidate !== null);
        expect(found.map(nameOf)).toEqual(best.filter(({ level }) => level >= 0).map(nameOf));
        for (const disc of found) {
          const sum = (level: number) => marginal.get(nameOf({ candidate: disc.candidate!, level })) ?? 0;
          const any = Array.from({ length: LEVELS }, (_, level) => sum(level)).reduce((a, b) => a + b);
          expect(disc.probability).toBeCloseTo(any / total, 8);
          expect(disc.levelProbability).toBeCloseTo(naming ? 0.7 : sum(disc.level) / any, 8);
        }
      }),
      { numRuns: 200 },
    );
  });

  it('does not depend on the order of the candidates or their position in the image', () => {
    fc.assert(
      fc.property(distinct, fc.integer({ min: -50, max: 50 }), (peaks, shift) => {
        const place = ({ x, y, probability }: ChainDisc) => [x, y, probability];
        const fit = fitChain(peaks, scale, LUMBAR_SHAPE, BOUNDS, LEVELS);
        const moved = peaks.map((peak) => ({ ...peak, x: peak.x + shift, y: peak.y + shift })).reverse();
        const bounds = { top: BOUNDS.top + shift, bottom: BOUNDS.bottom + shift };
        const other = fitChain(moved, scale, LUMBAR_SHAPE, bounds, LEVELS);
        expect(other.evidence).toBeCloseTo(fit.evidence, 6);
        const back = other.discs.map((disc) => place({ ...disc, x: disc.x - shift, y: disc.y - shift }));
        expect(back.flat().map((value) => value.toFixed(5))).toEqual(
          fit.discs.flatMap(place).map((value) => value.toFixed(5)),
        );
      }),
      { numRuns: 50 },
    );
  });

  const nameOf = ({ candidate, level }: { candidate: number | null; level: number }) =>
    `${candidate} ${level}`;

  /** Scores every chain by its definition. */
  function enumerate(peaks: readonly Candidate[], mayBe: Naming['mayBe'] = () => true) {
    const score = new ChainScore(scale, LUMBAR_SHAPE, BOUNDS, LEVELS - 1);
    const connect = (from: ChainNode, to: ChainNode) => ({
      ...{ from: peaks[from.candidate]!, fromLevel: from.level },
      ...{ to: peaks[to.candidate]!, toLevel: to.level },
    });
    const residual = (from: ChainNode, to: ChainNode) =>
      score.residual(peaks[from.candidate]!, peaks[to.candidate]!, from.level, to.level);
    const marginal = new Map<string, number>();
    let total = 1;
    let best: ChainNode[] = [];
    let bestScore = 0;
    const visit = (chain: ChainNode[], begun: number) => {
      const last = chain.at(-1)!;
      const before = chain.at(-2);
      const value = begun + (before === undefined ? 0 : score.end(connect(before, last)));
      total += Math.exp(value);
      for (const node of chain)
        marginal.set(nameOf(node), (marginal.get(nameOf(node)) ?? 0) + Math.exp(value));
      // A single disc is no spine.
      if (before !== undefined && value > bestScore) [best, bestScore] = [chain, value];
      for (const [candidate, to] of peaks.entries()) {
        if (!(to.y < peaks[last.candidate]!.y)) continue;
        for (const level of last.level === REMNANT ? [0] : [last.level + 1, last.level + 2]) {
          const node = { candidate, level };
          if (level >= LEVELS || !mayBe(candidate, level) || Math.abs(residual(last, node).direction) > 60)
            continue;
          const segment =
            before === undefined
              ? score.first(connect(last, node), residual(last, node))
              : score.next(residual(before, last), residual(last, node));
          const missed = level - last.level === 2 ? score.missed : 0;
          visit([...chain, node], begun + segment + missed + score.disc(to, level));
        }
      }
    };
    for (const [candidate, peak] of peaks.entries()) {
      for (let level = REMNANT; level < LEVELS; level++) {
        if (mayBe(candidate, level)) visit([{ candidate, level }], score.begin(peak, level));
      }
    }
    return { total, best, marginal };
  }
});
