/** Properties of all heads. */
import { afterAll, describe, expect, it } from 'vitest';
import { backward, noGrad } from '#spinegrad/engine/autograd.js';
import { openDevice } from '#spinegrad/engine/openDevice.js';
import { tidy } from '#spinegrad/engine/tidy.js';
import { buildGrader, graderArchitecture, graderSchema } from '#spinegrad/model/build.js';
import { Grader } from '#spinegrad/model/grader.js';
import { classWeights } from '#spinegrad/model/heads/classWeights.js';
import type { LossOptions } from '#spinegrad/model/heads/head.js';
import { HEADS } from '#spinegrad/model/heads/index.js';
import { expectHeadFits, HEAD_NAMES, type HeadName } from '#spinegrad/model/heads/names.js';
import { ResNet } from '#spinegrad/nn/resnet.js';
import { AdamW } from '#spinegrad/optim/adamW.js';
import { RandomStream } from '#spinegrad/random.js';

const device = await openDevice('cpu', { threads: 2 });
afterAll(() => device.close());

const build = (seed = 1) => ({ device, random: new RandomStream(seed) });
const FEATURES = 6;
const STEPS = 300;

const options = (counts: readonly number[], change: Partial<LossOptions> = {}): LossOptions => ({
  gamma: 2,
  labelSmoothing: 0,
  weighting: 'sqrt',
  counts,
  ...change,
});

const scale = (grades: number, ordered: boolean) => ({
  id: 'test/scale',
  ordered,
  grades: Array.from({ length: grades }, (_, grade) => ({
    name: `${grade}`,
    labels: [`${grade}`],
    weight: 1,
  })),
});

const fits = (name: HeadName, grades: number, ordered: boolean): boolean => {
  try {
    expectHeadFits(name, scale(grades, ordered), 'settings');
    return true;
  } catch {
    return false;
  }
};

const CASES = HEAD_NAMES.flatMap((name) =>
  [2, 3, 5].filter((grades) => fits(name, grades, true)).map((grades) => [name, grades] as const),
);

describe('expectHeadFits', () => {
  it.each([
    ['softmax', [2, 3, 5], [2, 3, 5]],
    ['coral', [2, 3, 5], [2]],
    ['corn', [2, 3, 5], [2]],
    ['binary', [2], [2]],
  ] as const)('allows %s for its scales only', (name, ordered, nominal) => {
    expect([2, 3, 5].filter((grades) => fits(name, grades, true))).toEqual(ordered);
    expect([2, 3, 5].filter((grades) => fits(name, grades, false))).toEqual(nominal);
  });

  it('names the head, the task and the heads that fit', () => {
    expect(() => expectHeadFits('corn', scale(4, false), 'settings: finetuning.head')).toThrow(
      expect.objectContaining({
        code: 'ERR_CONFIG',
        message:
          "settings: finetuning.head: the head 'corn' is for ordered grades, task test/scale has 4 nominal grades; use softmax",
      }),
    );
  });
});

describe.each(CASES)('head %s with %d grades', (name, grades) => {
  const head = HEADS[name];
  const counts = Array.from({ length: grades }, (_, grade) => 10 * (grade + 1));

  it('gives one row of logits per embedding', () => {
    using layers = head.layers(build(), FEATURES, grades);
    using logits = noGrad(() => tidy(() => layers.forward(device.zeros([7, FEATURES]))));
    expect(logits.shape).toEqual([7, head.outputs(grades)]);
  });

  it('gives non-negative probabilities that sum to 1, for small and large weights', async () => {
    const random = new RandomStream(3);
    using layers = head.layers(build(), FEATURES, grades);
    for (const scale of [0.1, 1, 10, 1000]) {
      for (const tensor of layers.parameters().values()) {
        tensor.write(Float32Array.from({ length: tensor.size }, () => random.normal(0, scale)));
      }
      const embeddings = Float32Array.from({ length: 200 * FEATURES }, () => random.normal(0, 2));
      using rows = noGrad(() =>
        tidy(() => head.probabilities(layers.forward(device.tensor(embeddings, [200, FEATURES])))),
      );
      expect(rows.shape).toEqual([200, grades]);
      const values = await rows.data();
      for (let row = 0; row < 200; row++) {
        const probabilities = values.subarray(row * grades, (row + 1) * grades);
        expect(Math.min(...probabilities)).toBeGreaterThanOrEqual(0);
        expect(probabilities.reduce((sum, p) => sum + p, 0)).toBeCloseTo(1, 5);
      }
    }
  });

  it.each(['none', 'sqrt', 'inverse'] as const)(
    'learns separable grades with weighting %s',
    async (weighting) => {
      // The first feature increases with the grade.
      const truth = Array.from({ length: 60 }, (_, row) => row % grades);
      const random = new RandomStream(5);
      const values = truth.flatMap((grade) =>
        Array.from({ length: FEATURES }, (_, i) => (i === 0 ? 2 * grade - grades : random.normal(0, 0.3))),
      );
      using layers = head.layers(build(), FEATURES, grades);
      using optimizer = new AdamW(layers.parameters(), { learningRate: 0.3, weightDecay: 0 });
      using embeddings = device.tensor(Float32Array.from(values), [60, FEATURES]);
      for (let step = 0; step < STEPS; step++) {
        using loss = tidy(() => {
          const value = head.loss(
            layers.forward(embeddings),
            truth,
            options(counts, { weighting, gamma: 0 }),
          );
          backward(value);
          return value;
        });
        optimizer.step();
        optimizer.zeroGrad();
        if (step === STEPS - 1) expect(await loss.item()).toBeLessThan(0.2);
      }
      using rows = noGrad(() => tidy(() => head.probabilities(layers.forward(embeddings))));
      const probabilities = await rows.data();
      truth.forEach((grade, row) => {
        const ofRow = probabilities.subarray(row * grades, (row + 1) * grades);
        expect(ofRow.indexOf(Math.max(...ofRow))).toBe(grade);
      });
    },
  );

  it('ignores discs without a grade: loss and gradients are those of the others', async () => {
    const random = new RandomStream(9);
    const outputs = head.outputs(grades);
    const values = Array.from({ length: 9 * outputs }, () => random.normal(0, 2));
    const truth = Array.from({ length: 9 }, (_, row) => (row % 3 === 1 ? null : row % grades));
    const graded = truth.flatMap((grade, row) => (grade === null ? [] : row));
    const evaluated = async (rows: readonly number[]) => {
      const chosen = rows.flatMap((row) => values.slice(row * outputs, (row + 1) * outputs));
      using logits = device.tensor(Float32Array.from(chosen), [rows.length, outputs]);
      logits.requiresGrad = true;
      using loss = tidy(() => {
        const ofRows = rows.map((row) => truth[row]!);
        const value = head.loss(logits, ofRows, options(counts, { labelSmoothing: 0.1 }));
        backward(value);
        return value;
      });
      return { loss: await loss.item(), gradient: [...(await logits.grad!.data())] };
    };
    const all = await evaluated(truth.map((_, row) => row));
    const subset = await evaluated(graded);
    expect(all.loss).toBeCloseTo(subset.loss, 6);
    truth.forEach((grade, row) => {
      const ofRow = all.gradient.slice(row * outputs, (row + 1) * outputs);
      const at = graded.indexOf(row);
      ofRow.forEach((slope, i) => {
        expect(slope).toBeCloseTo(grade === null ? 0 : subset.gradient[at * outputs + i]!, 6);
      });
    });
  });

  it('is rebuilt from the recorded architecture, with the same names and shapes', () => {
    const encoder = () => new ResNet(build(), { depth: 18, width: 2 });
    using grader = new Grader(build(), encoder(), {
      heads: [{ task: 'test/a-b', head: name, grades }],
    });
    const recorded = graderSchema.parse(JSON.parse(JSON.stringify(graderArchitecture(grader))));
    expect(recorded.heads).toEqual([{ task: 'test/a-b', head: name, grades }]);
    using rebuilt = buildGrader(recorded, build(2));
    const shapes = (module: Grader) => [...module.state()].map(([key, { shape }]) => [key, shape]);
    expect(shapes(rebuilt)).toEqual(shapes(grader));
  });
});

describe('classWeights', () => {
  it('has mean 1 over the discs and the ratio of the weighting rule', () => {
    expect(classWeights([30, 10], 'none')).toEqual([1, 1]);
    const inverse = classWeights([30, 10], 'inverse');
    expect(inverse[1]! / inverse[0]!).toBeCloseTo(3, 12);
    const sqrt = classWeights([30, 10], 'sqrt');
    expect(sqrt[1]! / sqrt[0]!).toBeCloseTo(Math.sqrt(3), 12);
    for (const [a, b] of [inverse, sqrt]) expect((30 * a! + 10 * b!) / 40).toBeCloseTo(1, 12);
  });

  it('is finite for a class without discs', () => {
    expect(classWeights([30, 0], 'inverse').every(Number.isFinite)).toBe(true);
  });
});
