/** Layers: names and initialisation of PyTorch. ProjectionHead and Grader. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { backward } from '#spinegrad/engine/autograd.js';
import type { Device } from '#spinegrad/engine/device.js';
import { openDevice } from '#spinegrad/engine/openDevice.js';
import type { DropoutOptions } from '#spinegrad/engine/ops/dropout.js';
import { mul } from '#spinegrad/engine/ops/elementwise.js';
import { sum } from '#spinegrad/engine/ops/sum.js';
import type { Tensor } from '#spinegrad/engine/tensor.js';
import { tidy } from '#spinegrad/engine/tidy.js';
import { Grader, type GraderOptions } from '#spinegrad/model/grader.js';
import { ProjectionHead } from '#spinegrad/model/projection.js';
import { BatchNorm2d, Conv2d, Linear } from '#spinegrad/nn/layers.js';
import { ResNet } from '#spinegrad/nn/resnet.js';
import { AdamW } from '#spinegrad/optim/adamW.js';
import { RandomStream } from '#spinegrad/random.js';

let device: Device;
beforeEach(async () => {
  device = await openDevice('cpu', { threads: 2 });
});
afterEach(() => device.close());

const build = (seed = 1) => ({ device, random: new RandomStream(seed) });

function moments(values: Float32Array): {
  mean: number;
  deviation: number;
  largest: number;
  kurtosis: number;
} {
  const mean = values.reduce((a, b) => a + b, 0) / values.length;
  const power = (p: number) => values.reduce((a, b) => a + (b - mean) ** p, 0) / values.length;
  const largest = values.reduce((a, b) => Math.max(a, Math.abs(b)), 0);
  return { mean, deviation: Math.sqrt(power(2)), largest, kurtosis: power(4) / power(2) ** 2 };
}

describe('initial weights', () => {
  // For n normal samples, the standard errors of mean, deviation and kurtosis are sigma / sqrt(n), sigma / sqrt(2 n) and
  // sqrt(24 / n). Five standard errors are allowed. The streams are seeded.
  it.each([
    [16, 64, 3],
    [1, 64, 7],
    [256, 64, 1],
  ])(
    'of a convolution %i -> %i with kernel %i are normal with variance 2 / fan out (Kaiming)',
    async (inputs, outputs, kernel) => {
      using conv = new Conv2d(build(), inputs, outputs, kernel);
      const values = await conv.weight.data();
      const sigma = Math.sqrt(2 / (outputs * kernel ** 2));
      const { mean, deviation, kurtosis } = moments(values);
      const unit = 5 / Math.sqrt(values.length);
      expect(Math.abs(mean)).toBeLessThan(sigma * unit);
      expect(Math.abs(deviation / sigma - 1)).toBeLessThan(unit / Math.sqrt(2));
      expect(Math.abs(kurtosis - 3)).toBeLessThan(unit * Math.sqrt(24));
      expect(conv.bias).toBeUndefined();
    },
  );

  it('of a linear layer, weight and bias, are uniform within 1 / sqrt(inputs)', async () => {
    using linear = new Linear(build(), 64, 512);
    for (const [tensor, name] of [
      [linear.weight, 'weight'],
      [linear.bias, 'bias'],
    ] as const) {
      const values = await tensor.data();
      const { mean, deviation, largest } = moments(values);
      const [bound, unit] = [1 / 8, 5 / Math.sqrt(values.length)];
      expect(largest, name).toBeLessThanOrEqual(bound);
      expect(largest, name).toBeGreaterThan(bound * (1 - unit));
      expect(Math.abs(mean), name).toBeLessThan((bound / Math.sqrt(3)) * unit);
      // The square of a uniform variable has mean 1 / 3 and standard deviation sqrt(4 / 45).
      expect(Math.abs(3 * (deviation / bound) ** 2 - 1), name).toBeLessThan(3 * Math.sqrt(4 / 45) * unit);
    }
  });

  it('of a batch norm are weight 1, bias 0, mean 0 and variance 1', async () => {
    using norm = new BatchNorm2d(build(), 3);
    const state = [...norm.state()].map(async ([name, tensor]) => [name, [...(await tensor.data())]]);
    expect(await Promise.all(state)).toEqual([
      ['weight', [1, 1, 1]],
      ['bias', [0, 0, 0]],
      ['running_mean', [0, 0, 0]],
      ['running_var', [1, 1, 1]],
    ]);
    expect([...norm.parameters().keys()]).toEqual(['weight', 'bias']);
  });

  it('depend on the seed', async () => {
    const draw = async (seed: number) => {
      using conv = new Conv2d(build(seed), 2, 3, 3, { bias: true });
      return conv.weight.data();
    };
    expect(await draw(1)).toEqual(await draw(1));
    expect(await draw(1)).not.toEqual(await draw(2));
  });
});

it('ProjectionHead gives rows of unit length and names its tensors like torch.nn.Sequential', async () => {
  using head = new ProjectionHead(build(), 6, 4);
  expect([...head.state()].map(([name, { shape }]) => [name, shape])).toEqual([
    ['0.weight', [6, 6]],
    ['0.bias', [6]],
    ['2.weight', [4, 6]],
    ['2.bias', [4]],
  ]);
  const x = device.tensor(
    Float32Array.from({ length: 30 }, (_, i) => Math.sin(i)),
    [5, 6],
  );
  using rows = tidy(() => head.forward(x));
  const values = await rows.data();
  for (let row = 0; row < 5; row++) {
    expect(Math.hypot(...values.subarray(4 * row, 4 * row + 4))).toBeCloseTo(1, 6);
  }
  x.dispose();
});

describe('Grader', () => {
  const HEAD = { task: 'test/a', head: 'softmax', grades: 3 } as const;
  const SHAPE = [4, 1, 32, 32] as const;
  const input = () =>
    device.tensor(
      Float32Array.from({ length: 4 * 32 * 32 }, (_, i) => Math.sin(i * i)),
      SHAPE,
    );

  function grader(options: Partial<GraderOptions>): Grader {
    const encoder = new ResNet(build(), { depth: 18, width: 4 });
    return new Grader(build(2), encoder, { heads: [HEAD], ...options });
  }

  const bits = (state: Map<string, Tensor>) =>
    Promise.all(
      [...state].map(async ([name, tensor]) => [name, new Uint32Array((await tensor.data()).buffer)]),
    );

  /** A training step that minimises the sum of squared logits. */
  function step(network: Grader, optimizer: AdamW, dropout?: DropoutOptions): void {
    tidy(() => {
      const [logits] = network.forward(input(), dropout);
      backward(sum(mul(logits!, logits!)));
      optimizer.step();
    });
    optimizer.zeroGrad();
  }

  const optimizerOf = (network: Grader) => new AdamW(network.parameters(), { learningRate: 0.01 });

  it.each(['as built', 'after train()', 'after eval() and train()'])(
    'frozen, %s, trains the head and keeps all bits of the encoder, including running statistics',
    async (history) => {
      using network = grader({ frozen: true });
      if (history !== 'as built') network.train();
      if (history.includes('eval()')) network.eval().train();
      const before = await bits(network.encoder.state());
      const head = await bits(network.heads.state());
      const optimizer = optimizerOf(network);
      for (let i = 0; i < 3; i++) step(network, optimizer, { p: 0.5, seed: 1, step: i });
      expect(await bits(network.encoder.state())).toEqual(before);
      expect(await bits(network.heads.state())).not.toEqual(head);
      for (const parameter of network.encoder.parameters().values()) expect(parameter.grad).toBeUndefined();
      optimizer.dispose();
    },
  );

  it('not frozen, trains its encoder and updates its running statistics', async () => {
    using network = grader({});
    const before = new Map((await bits(network.encoder.state())) as [string, Uint32Array][]);
    const optimizer = optimizerOf(network);
    step(network, optimizer);
    for (const [name, after] of (await bits(network.encoder.state())) as [string, Uint32Array][]) {
      expect(after, name).not.toEqual(before.get(name));
    }
    optimizer.dispose();
  });

  it('applies dropout by its keys in training mode, and none in eval mode', async () => {
    using network = grader({ frozen: true });
    const logits = async (keys?: { seed: number; step: number }) => {
      using y = tidy(() => network.forward(input(), keys && { p: 0.5, ...keys })[0]!);
      return y.data();
    };
    const plain = await logits();
    const dropped = await logits({ seed: 1, step: 1 });
    expect(dropped).not.toEqual(plain);
    expect(await logits({ seed: 1, step: 1 })).toEqual(dropped);
    expect(await logits({ seed: 1, step: 2 })).not.toEqual(dropped);
    network.eval();
    expect(await logits({ seed: 1, step: 1 })).toEqual(plain);
  });

  it.each([true, false])('leaks no tensor with frozen %s', (frozen) => {
    const before = device.memory().tensors;
    const network = grader({ frozen });
    const optimizer = optimizerOf(network);
    step(network, optimizer, { p: 0.5, seed: 1, step: 0 });
    const after = device.memory().tensors;
    step(network, optimizer, { p: 0.5, seed: 1, step: 1 });
    expect(device.memory().tensors).toBe(after);
    optimizer.dispose();
    network.dispose();
    expect(device.memory().tensors).toBe(before);
  });
});
