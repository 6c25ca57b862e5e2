/** Saliency of a small grader that learns whether a crop shows a dot. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { backward, noGrad } from '#spinegrad/engine/autograd.js';
import { openDevice } from '#spinegrad/engine/openDevice.js';
import type { Tensor } from '#spinegrad/engine/tensor.js';
import { tidy } from '#spinegrad/engine/tidy.js';
import { newDiscEncoder } from '#spinegrad/model/fusion/encoder.js';
import { encoderInput } from '#spinegrad/model/fusion/input.js';
import { fusionSpec } from '#spinegrad/model/fusion/spec.js';
import { Grader } from '#spinegrad/model/grader.js';
import type { HeadName } from '#spinegrad/model/heads/names.js';
import { type SaliencyMaps, saliency } from '#spinegrad/model/saliency.js';
import { ResNet } from '#spinegrad/nn/resnet.js';
import { AdamW } from '#spinegrad/optim/adamW.js';
import { RandomStream } from '#spinegrad/random.js';

const device = await openDevice('cpu', { threads: 2 });
afterAll(() => device.close());

const SIDE = 32;
const STEPS = 40;
const BATCH = 32;

/** Noise, and in every second crop a bright dot. */
function crops(count: number, seed: number) {
  const random = new RandomStream(seed);
  const dots = Array.from({ length: count }, () => [random.uniform(6, 26), random.uniform(6, 26)] as const);
  const values = dots.flatMap(([x, y], disc) =>
    Array.from({ length: SIDE * SIDE }, (_, i) => {
      const distance = Math.hypot((i % SIDE) - x, Math.floor(i / SIDE) - y);
      return random.normal(0, 0.3) + (disc % 2 === 1 ? 3 * Math.exp(-((distance / 2) ** 2)) : 0);
    }),
  );
  const grades = dots.map((_, disc) => disc % 2);
  const images = () => device.tensor(Float32Array.from(values), [count, 1, SIDE, SIDE]);
  return { dots, grades, images };
}

function newGrader(head: HeadName, seed = 1, grades = 2): Grader {
  const encoder = new ResNet({ device, random: new RandomStream(seed) }, { depth: 18, width: 4 });
  const heads = [{ task: 'test/dot', head, grades }];
  return new Grader({ device, random: new RandomStream(seed + 1) }, encoder, { heads });
}

async function trained(): Promise<Grader> {
  const grader = newGrader('softmax');
  using optimizer = new AdamW([{ name: 'all', parameters: grader.parameters(), learningRate: 1e-2 }]);
  const options = { gamma: 0, labelSmoothing: 0, weighting: 'none', counts: [1, 1] } as const;
  for (let step = 0; step < STEPS; step++) {
    const { images, grades } = crops(BATCH, 100 + step);
    tidy(() => {
      backward(
        grader.loss(
          grader.forward(images()),
          grades.map((grade) => [grade]),
          [options],
        ),
      );
      optimizer.step();
      optimizer.zeroGrad();
    });
  }
  return grader.eval();
}

/** Spearman's rank correlation; ties get their mean rank. */
function rankCorrelation(a: Float32Array, b: Float32Array): number {
  const ranks = (values: Float32Array) => {
    const order = [...values.keys()].sort((i, j) => values[i]! - values[j]!);
    const result = new Float64Array(values.length);
    for (let i = 0; i < order.length; ) {
      let end = i;
      while (end < order.length && values[order[end]!] === values[order[i]!]) end++;
      for (let k = i; k < end; k++) result[order[k]!] = (i + end - 1) / 2;
      i = end;
    }
    return result;
  };
  const [p, q] = [ranks(a), ranks(b)];
  const mean = (a.length - 1) / 2;
  const product = (u: Float64Array, v: Float64Array) =>
    u.reduce((sum, x, i) => sum + (x - mean) * (v[i]! - mean), 0);
  return product(p, q) / Math.sqrt(product(p, p) * product(q, q));
}

const meanOf = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length;

const sample = crops(16, 7);
const shown = sample.grades.map(() => 0);
const explain = (grader: Grader, grades: readonly number[] = sample.grades) =>
  saliency(grader, sample.images, { task: 0, grades, slots: shown });

describe('saliency', () => {
  let grader: Grader;
  let maps: SaliencyMaps[];
  beforeAll(async () => {
    grader = await trained();
    maps = await explain(grader);
  });

  it('is larger at the dot that decides the grade than elsewhere', () => {
    for (const name of ['gradCam', 'gradient'] as const) {
      const ratios = sample.dots.flatMap(([x, y], disc) => {
        if (sample.grades[disc] === 0) return [];
        const [near, far]: [number[], number[]] = [[], []];
        maps[disc]![name].forEach((value, i) => {
          const distance = Math.hypot((i % SIDE) - x, Math.floor(i / SIDE) - y);
          (distance < 4 ? near : distance > 8 ? far : []).push(value);
        });
        return meanOf(near) / meanOf(far);
      });
      expect(ratios.filter((ratio) => ratio > 2).length, name).toBeGreaterThanOrEqual(6);
    }
  });

  it('depends on the weights: random ones give other maps (Adebayo et al. 2018)', async () => {
    const other = await explain(newGrader('softmax', 50).eval());
    for (const name of ['gradCam', 'gradient'] as const) {
      const correlations = maps.flatMap((map, disc) =>
        sample.grades[disc] === 0 ? [] : [rankCorrelation(map[name], other[disc]![name])],
      );
      // Activations of random filters are larger at the dot too, so Grad-CAM keeps a part of its pattern.
      expect(Math.abs(meanOf(correlations)), name).toBeLessThan(name === 'gradCam' ? 0.6 : 0.3);
    }
    const again = await explain(grader);
    expect(again).toEqual(maps);
  });
});

describe.each(['none', 'channels', 'attention'] as const)('saliency of fused series: %s', (fusion) => {
  const size = 16;
  const spec = fusionSpec(fusion, ['T2', 'T1'], 1);
  const series = fusion === 'none' ? 1 : 2;
  const random = new RandomStream(9);
  const bank = Uint16Array.from({ length: 6 * size * size }, () => random.uniform(20000, 40000));
  // The second disc has no T1.
  const discs = {
    none: [[0], [3]],
    channels: [
      [0, 1],
      [3, null],
    ],
    attention: [
      [null, 0, 4, null, 1, null],
      [null, 3, 5, null, null, null],
    ],
  }[fusion];
  const slots = { none: [0, 0], channels: [1, 0], attention: [4, 2] }[fusion];
  const build = { device, random: new RandomStream(3) };
  const grader = new Grader(build, newDiscEncoder(build, { depth: 18, width: 4 }, spec), {
    heads: [
      { task: 'test/first', head: 'softmax', grades: 3 },
      { task: 'test/second', head: 'corn', grades: 4 },
    ],
  }).eval();
  afterAll(() => grader.dispose());
  const inputOf = (pixels: Uint16Array) => () =>
    encoderInput(
      device.tensor(pixels, [6, size, size]),
      discs,
      spec,
      { seed: 0, step: 0 },
      Array.from({ length: series }, () => ({ mean: 0.5, std: 0.1 })),
    );

  it('is the derivative of the probability of the grade, and frees what it made', async () => {
    const grades = [2, 1];
    const before = device.memory().tensors;
    const maps = await saliency(grader, inputOf(bank), { task: 1, grades, slots });
    expect(device.memory().tensors).toBe(before);
    expect([...grader.parameters().values()].every(({ grad, requiresGrad }) => requiresGrad && !grad)).toBe(
      true,
    );
    const probabilityOf = async (pixels: Uint16Array, disc: number) => {
      using table = noGrad(() =>
        tidy((): Tensor => grader.probabilities(grader.forward(inputOf(pixels)()))[1]!),
      );
      return (await table.data())[disc * 4 + grades[disc]!]!;
    };
    for (const [disc, { gradient, gradCam }] of maps.entries()) {
      expect(gradCam).toHaveLength(size * size);
      const row = discs[disc]![slots[disc]!]!;
      const slope = async (pixel: number) => {
        const values = await Promise.all(
          [150, -150].map((step) => {
            const moved = bank.slice();
            moved[row * size * size + pixel]! += step;
            return probabilityOf(moved, disc);
          }),
        );
        return Math.abs(values[0]! - values[1]!);
      };
      const largest = gradient.indexOf(1);
      const half = gradient.findIndex((value) => Math.abs(value - 0.5) < 0.1);
      expect((await slope(half)) / (await slope(largest))).toBeCloseTo(gradient[half]!, 1);
    }
  });
});
