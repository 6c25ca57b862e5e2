/** CORN and the binary head compared with PyTorch, and the properties of each. */
import { readFileSync } from 'node:fs';
import { afterAll, describe, expect, it } from 'vitest';
import { backward, noGrad } from '#spinegrad/engine/autograd.js';
import { openDevice } from '#spinegrad/engine/openDevice.js';
import type { Tensor } from '#spinegrad/engine/tensor.js';
import { tidy } from '#spinegrad/engine/tidy.js';
import { HEADS } from '#spinegrad/model/heads/index.js';
import { RandomStream } from '#spinegrad/random.js';

interface Golden {
  rows: number;
  features: number;
  cases: {
    head: 'corn' | 'binary';
    classes: number;
    gamma: number;
    grades: number[];
    embeddings: number[];
    weight: number[];
    bias: number[];
    loss: number;
    gradients: Record<string, number[]>;
    probabilities: number[];
  }[];
}
const { rows, features, cases }: Golden = JSON.parse(
  readFileSync(new URL('golden/heads.json', import.meta.url), 'utf8'),
);

const device = await openDevice('cpu', { threads: 2 });
afterAll(() => device.close());

const none = { labelSmoothing: 0, weighting: 'none' } as const;
const tensor = (values: readonly number[], shape: number[]): Tensor =>
  device.tensor(Float32Array.from(values), shape);

it.each(cases)('$head with $classes grades and gamma $gamma equals PyTorch', async (golden) => {
  const { head: name, classes, gamma, grades, embeddings, loss, gradients, probabilities } = golden;
  const head = HEADS[name];
  using layers = head.layers({ device, random: new RandomStream(1) }, features, classes);
  const parameters = layers.parameters();
  for (const key of ['weight', 'bias'] as const) parameters.get(key)!.write(Float32Array.from(golden[key]));
  const counts = Array.from({ length: classes }, () => 1);
  const [value, found] = tidy(() => {
    const logits = layers.forward(tensor(embeddings, [rows, features]));
    const value = head.loss(logits, grades, { ...none, gamma, counts });
    const found = noGrad(() => head.probabilities(logits));
    backward(value);
    return [value, found] as [Tensor, Tensor];
  });
  expect(await value.item()).toBeCloseTo(loss, 6);
  (await found.data()).forEach((p, i) => {
    expect(p).toBeCloseTo(probabilities[i]!, 6);
  });
  for (const [key, expected] of Object.entries(gradients)) {
    const gradient = await parameters.get(key)!.grad!.data();
    expected.forEach((slope, i) => {
      expect(gradient[i], `${key}[${i}]`).toBeCloseTo(slope, 6);
    });
  }
});

describe('corn', () => {
  it('has no loss at the thresholds that are above the next grade', async () => {
    using logits = tensor([3, 100, 100, -2, 0.5, -100], [2, 3]);
    logits.requiresGrad = true;
    tidy(() => backward(HEADS.corn.loss(logits, [0, 1], { ...none, gamma: 0, counts: [1, 1, 1, 1] })));
    const gradient = [...(await logits.grad!.data())];
    expect(gradient.map((slope) => slope !== 0)).toEqual([true, false, false, true, true, false]);
  });

  it('weights the two sides of a threshold by their frequency among the discs that reach it', async () => {
    // 6 discs below threshold 0 and 4 above; of those 4, 1 is below threshold 1 and 3 are above.
    const counts = [6, 1, 3];
    const lossOf = async (grade: number) => {
      using logits = tensor([0, 0], [1, 2]);
      using loss = tidy(() =>
        HEADS.corn.loss(logits, [grade], { ...none, gamma: 0, weighting: 'inverse', counts }),
      );
      return (await loss.item()) / Math.LN2;
    };
    expect(await lossOf(0)).toBeCloseTo(0.4, 6);
    expect(await lossOf(1)).toBeCloseTo((0.6 + 0.75) / 2, 6);
    expect(await lossOf(2)).toBeCloseTo((0.6 + 0.25) / 2, 6);
  });
});

describe('binary', () => {
  const grades = [0, 1, null, 1, 0];
  const scores = [0.5, -2, 7, 3, -0.25];

  it.each(['none', 'sqrt', 'inverse'] as const)(
    'has the loss and the probabilities of softmax with the logits 0 and z, weighting %s',
    async (weighting) => {
      const options = { gamma: 2, labelSmoothing: 0.1, weighting, counts: [30, 10] };
      using one = tensor(scores, [5, 1]);
      using two = tensor(
        scores.flatMap((z) => [0, z]),
        [5, 2],
      );
      const values = async (name: 'binary' | 'softmax', logits: Tensor) => {
        using loss = tidy(() => HEADS[name].loss(logits, grades, options));
        using probabilities = tidy(() => HEADS[name].probabilities(logits));
        return [await loss.item(), ...(await probabilities.data())];
      };
      const expected = await values('softmax', two);
      (await values('binary', one)).forEach((value, i) => {
        expect(value).toBeCloseTo(expected[i]!, 6);
      });
    },
  );
});
