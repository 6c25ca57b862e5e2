/** CORAL compared with a float64 implementation of its formulas. */
import { afterAll, describe, expect, it } from 'vitest';
import { backward, noGrad } from '#spinegrad/engine/autograd.js';
import { openDevice } from '#spinegrad/engine/openDevice.js';
import { tidy } from '#spinegrad/engine/tidy.js';
import { coral } from '#spinegrad/model/heads/coral.js';
import type { LossOptions } from '#spinegrad/model/heads/head.js';
import { RandomStream } from '#spinegrad/random.js';

const device = await openDevice('cpu', { threads: 2 });
afterAll(() => device.close());

const FEATURES = 5;
const ROWS = 12;
const GRADES = 4;
const THRESHOLDS = GRADES - 1;

const random = new RandomStream(11);
const embeddings = Array.from({ length: ROWS }, () =>
  Array.from({ length: FEATURES }, () => random.normal(0, 1)),
);
const truth = Array.from({ length: ROWS }, (_, row) => row % GRADES);

const NAMES = ['gaps', 'score.weight', 'score.bias'] as const;
type Parameters = Record<(typeof NAMES)[number], number[]>;
const PARAMETERS: Parameters = {
  gaps: [0.8, -0.5],
  'score.weight': Array.from({ length: FEATURES }, () => random.normal(0, 0.7)),
  'score.bias': [0.4],
};

const sigmoid = (z: number): number => 1 / (1 + Math.exp(-z));

/** Logits: one score per row, minus the squared gaps of the preceding thresholds. */
function logitsOf(parameters: Parameters): number[][] {
  return embeddings.map((row) => {
    let logit = row.reduce(
      (sum, x, i) => sum + x * parameters['score.weight'][i]!,
      parameters['score.bias'][0]!,
    );
    return [logit, ...parameters.gaps.map((gap) => (logit -= gap * gap))];
  });
}

/** Binary focal losses, weighted by `alpha` above and 1 - alpha below, summed over thresholds, mean over rows. */
function lossOf(parameters: Parameters, { gamma, alpha }: { gamma: number; alpha?: number[] }): number {
  let sum = 0;
  logitsOf(parameters).forEach((logits, row) => {
    logits.forEach((z, k) => {
      const above = truth[row]! > k;
      const p = above ? sigmoid(z) : sigmoid(-z);
      const weight = alpha === undefined ? 1 : above ? alpha[k]! : 1 - alpha[k]!;
      sum += -weight * (1 - p) ** gamma * Math.log(p);
    });
  });
  return sum / ROWS;
}

function makeLayers() {
  const layers = coral.layers({ device, random: new RandomStream(1) }, FEATURES, GRADES);
  for (const [name, tensor] of layers.parameters()) {
    tensor.write(Float32Array.from(PARAMETERS[name as (typeof NAMES)[number]]));
  }
  return layers;
}

const input = () => device.tensor(Float32Array.from(embeddings.flat()), [ROWS, FEATURES]);

// The thresholds have 3, 6 and 9 discs below, and 9, 6 and 3 above.
const counts = [3, 3, 3, 3];
const cases: [name: string, options: LossOptions, reference: { gamma: number; alpha?: number[] }][] = [
  ['cross entropy', { gamma: 0, labelSmoothing: 0, weighting: 'none', counts }, { gamma: 0 }],
  ['focal loss', { gamma: 2, labelSmoothing: 0, weighting: 'none', counts }, { gamma: 2 }],
  [
    'weights by frequency',
    { gamma: 0, labelSmoothing: 0, weighting: 'inverse', counts },
    { gamma: 0, alpha: [0.25, 0.5, 0.75] },
  ],
];

describe('coral', () => {
  it('has one output per threshold, a shared weight vector, and gaps as parameters', () => {
    expect(coral.outputs(GRADES)).toBe(THRESHOLDS);
    using layers = makeLayers();
    expect([...layers.parameters()].map(([name, { shape }]) => [name, shape])).toEqual([
      ['gaps', [THRESHOLDS - 1]],
      ['score.weight', [1, FEATURES]],
      ['score.bias', [1]],
    ]);
  });

  it.each(cases)('equals the formula in loss and gradients: %s', async (_, options, reference) => {
    using layers = makeLayers();
    using loss = tidy(() => {
      const value = coral.loss(layers.forward(input()), truth, options);
      backward(value);
      return value;
    });
    expect(await loss.item()).toBeCloseTo(lossOf(PARAMETERS, reference), 5);
    for (const [name, tensor] of layers.parameters()) {
      const gradient = await tensor.grad!.data();
      const key = name as (typeof NAMES)[number];
      PARAMETERS[key].forEach((_, i) => {
        const at = (delta: number) => {
          const values = PARAMETERS[key].map((value, j) => (j === i ? value + delta : value));
          return lossOf({ ...PARAMETERS, [key]: values }, reference);
        };
        expect(gradient[i], `${name}[${i}]`).toBeCloseTo((at(1e-5) - at(-1e-5)) / 2e-5, 4);
      });
    }
  });

  it('gives differences of adjacent cumulative probabilities', async () => {
    using layers = makeLayers();
    using rows = noGrad(() => tidy(() => coral.probabilities(layers.forward(input()))));
    const values = await rows.data();
    logitsOf(PARAMETERS).forEach((logits, row) => {
      const above = [1, ...logits.map(sigmoid), 0];
      for (let j = 0; j < GRADES; j++) {
        expect(values[row * GRADES + j]).toBeCloseTo(above[j]! - above[j + 1]!, 6);
      }
    });
  });

  it('has logits that do not increase from threshold to threshold, for random parameters', async () => {
    const draw = new RandomStream(17);
    using layers = makeLayers();
    for (let trial = 0; trial < 200; trial++) {
      const scale = 10 ** draw.uniform(-6, 4);
      for (const tensor of layers.parameters().values()) {
        tensor.write(Float32Array.from({ length: tensor.size }, () => draw.normal(0, scale)));
      }
      using logits = noGrad(() => tidy(() => layers.forward(input())));
      const values = await logits.data();
      for (let i = 0; i < values.length; i++) {
        if (i % THRESHOLDS > 0) expect(values[i]!).toBeLessThanOrEqual(values[i - 1]!);
      }
    }
  });
});
