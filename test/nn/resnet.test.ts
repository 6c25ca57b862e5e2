/**
 * The networks equal torchvision's in names, shapes, results and gradients. test/oracles/resnet.py computes the golden
 * values in test/nn/golden with PyTorch.
 */
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { backward, noGrad } from '#spinegrad/engine/autograd.js';
import type { Device } from '#spinegrad/engine/device.js';
import { openDevice } from '#spinegrad/engine/openDevice.js';
import { batchNorm2d } from '#spinegrad/engine/ops/batchNorm2d.js';
import { conv2d } from '#spinegrad/engine/ops/conv2d.js';
import { mul } from '#spinegrad/engine/ops/elementwise.js';
import { maxPool2d } from '#spinegrad/engine/ops/maxPool2d.js';
import { sum } from '#spinegrad/engine/ops/sum.js';
import type { Tensor } from '#spinegrad/engine/tensor.js';
import { tidy } from '#spinegrad/engine/tidy.js';
import { readSafetensors } from '#spinegrad/io/safetensors.js';
import { Linear } from '#spinegrad/nn/layers.js';
import {
  type Depth,
  ResNet,
  type ResNetOptions,
  resnet18,
  resnet34,
  resnet50,
  stageOf,
} from '#spinegrad/nn/resnet.js';
import { RandomStream } from '#spinegrad/random.js';
import golden from './golden/resnet.json' with { type: 'json' };
import { expectWithin, patternOn, type Result } from './golden.js';

let device: Device;
beforeEach(async () => {
  device = await openDevice('cpu', { threads: 2 });
});
afterEach(() => device.close());

const build = () => ({ device, random: new RandomStream(7) });
const makers = { resnet18, resnet34, resnet50 };
type Name = keyof typeof makers;

const pattern = (shape: readonly number[]): Tensor => patternOn(device, shape);

describe.each(Object.keys(golden.networks) as Name[])('%s, full width', (name) => {
  const { parameters, conv1, state } = golden.networks[name];
  // The values of the weights do not matter here, and drawing 56 million of them is slow.
  const zeros = { normal: () => 0, uniform: () => 0 } as unknown as RandomStream;

  it.each([1, 3] as const)("has torchvision's tensors in its order with %i input channels", (channels) => {
    using network = makers[name]({ device, random: zeros }, { inputChannels: channels });
    const shapes = [...network.state()].map(([key, { shape }]) => [key, shape]);
    expect(shapes).toEqual(Object.entries({ ...state, 'conv1.weight': conv1[channels] }));
    const counts = [...network.parameters().values()].map((tensor) => tensor.size);
    expect(counts.reduce((a, b) => a + b)).toBe(parameters[channels]);
  });
});

describe.each(golden.cases)('$name with weights written by PyTorch', (entry) => {
  const results = entry.results as unknown as Record<string, Result>;
  const path = fileURLToPath(new URL(`golden/${entry.name}.safetensors`, import.meta.url));

  /** Loads the encoder and the last layer `fc`, which is part of torchvision's network. */
  async function load(): Promise<{ encoder: ResNet; fc: Linear; parameters: Map<string, Tensor> }> {
    const tensors = await readSafetensors(path);
    expect(tensors.get('bn1.num_batches_tracked')).toMatchObject({ dtype: 'I64', shape: [] });
    const { inputChannels, width } = entry;
    const encoder = makers[entry.name as Name](build(), { inputChannels, width });
    encoder.load(tensors, path, { ignore: /^fc\./ });
    const fc = new Linear(build(), encoder.features, 3);
    const last = (['weight', 'bias'] as const).map((key) => [key, tensors.get(`fc.${key}`)!] as const);
    fc.load(new Map(last), path);
    const ofLast = [...fc.parameters()].map(([key, tensor]) => [`fc.${key}`, tensor] as const);
    return { encoder, fc, parameters: new Map([...encoder.parameters(), ...ofLast]) };
  }

  it('gives the embeddings and logits in eval mode', async () => {
    const { encoder, fc } = await load();
    encoder.eval();
    using embedding = noGrad(() => tidy(() => encoder.forward(pattern(entry.shape))));
    using logits = noGrad(() => fc.forward(embedding));
    expectWithin(await embedding.data(), results['eval embedding']!, 'embedding');
    expectWithin(await logits.data(), results['eval logits']!, 'logits');
    encoder.dispose();
    fc.dispose();
  });

  it('gives the embeddings, gradients and running statistics of a training step', async () => {
    const { encoder, fc, parameters } = await load();
    const embedding = encoder.forward(pattern(entry.shape)).keep();
    const logits = fc.forward(embedding).keep();
    backward(sum(mul(logits, pattern(logits.shape))));
    expectWithin(await embedding.data(), results['train embedding']!, 'embedding');
    expectWithin(await logits.data(), results['train logits']!, 'logits');
    for (const [key, result] of Object.entries(results)) {
      const [kind, tensor] = key.split(' ') as [string, string];
      if (kind === 'state') expectWithin(await encoder.state().get(tensor)!.data(), result, key);
      if (kind === 'gradient') expectWithin(await parameters.get(tensor)!.grad!.data(), result, key);
    }
    const norms = await Promise.all(
      entry.parameters.map(async (key) => Math.log(Math.hypot(...(await parameters.get(key)!.grad!.data())))),
    );
    expectWithin(norms, results['log of gradient norms']!, 'the norms of all gradients');
    embedding.dispose();
    logits.dispose();
    encoder.dispose();
    fc.dispose();
  });
});

describe('zeroInitResidual', () => {
  it.each([18, 34, 50] as const)(
    'initialises only the last scale of each block of ResNet-%i to 0',
    async (depth) => {
      using network = new ResNet(build(), { depth, width: 1, zeroInitResidual: true });
      const last = depth === 50 ? /bn3\.weight$/ : /^layer.*bn2\.weight$/;
      for (const [name, tensor] of network.state()) {
        if (!/(bn\d|downsample\.1)\.weight$/.test(name)) continue;
        const scale = last.test(name) ? 0 : 1;
        expect(new Set(await tensor.data()), name).toEqual(new Set([scale]));
      }
    },
  );

  it.each([true, false])('makes each block the identity with training %s', async (training) => {
    using network = new ResNet(build(), { depth: 18, width: 4, strides: [1], zeroInitResidual: true });
    network.train(training);
    const state = network.state();
    const at = (name: string) => state.get(name)!;
    const norm = ['weight', 'bias', 'running_mean', 'running_var'].map((name) => at(`bn1.${name}`));
    const [weight, bias, mean, variance] = norm as [Tensor, Tensor, Tensor, Tensor];
    const stem = tidy(() => {
      const y = conv2d(pattern([2, 1, 33, 32]), at('conv1.weight'), { stride: 2, padding: 3 });
      const copies = [device.tensor(mean.dataSync()), device.tensor(variance.dataSync())] as const;
      return maxPool2d(batchNorm2d(y, weight, bias, ...copies, { training, relu: true }), 3, {
        stride: 2,
        padding: 1,
      });
    });
    using map = network.featureMap(pattern([2, 1, 33, 32]));
    expect(await map.data()).toEqual(await stem.data());
    stem.dispose();
  });
});

describe('ResNet', () => {
  it.each<[ResNetOptions, number[], number]>([
    [{ depth: 18, width: 4 }, [2, 32, 2, 3], 32],
    [{ depth: 34, width: 3, inputChannels: 2 }, [2, 24, 2, 3], 32],
    [{ depth: 50, width: 2 }, [2, 64, 2, 3], 32],
    [{ depth: 18, width: 4, strides: [1, 2, 1] }, [2, 16, 8, 12], 8],
    [{ depth: 18, width: 4, strides: [2, 2, 2, 2] }, [2, 32, 1, 2], 64],
    [{ depth: 50, width: 2, strides: [1] }, [2, 8, 16, 24], 4],
  ])('%j maps 64x96 pixels to the shape %j with stride %i', async (options, shape, stride) => {
    using network = new ResNet(build(), options);
    using map = tidy(() => network.featureMap(pattern([2, options.inputChannels ?? 1, 64, 96])));
    expect(map.shape).toEqual(shape);
    expect([network.features, network.stride]).toEqual([shape[1], stride]);
    expect((await map.data()).every(Number.isFinite)).toBe(true);
  });

  it.each<[string, Partial<ResNetOptions>]>([
    ['depth', { depth: 101 as Depth }],
    ['width', { width: 0 }],
    ['width', { width: 2.5 }],
    ['inputChannels', { inputChannels: -1 }],
    ['strides.length', { strides: [] }],
    ['strides.length', { strides: [1, 2, 2, 2, 2] }],
    ['strides', { strides: [1, 0] }],
  ])('throws ERR_ARGUMENT for a bad %s: %j', (argument, options) => {
    const before = device.memory().tensors;
    expect(() => new ResNet(build(), { depth: 18, ...options })).toThrowError(
      expect.objectContaining({
        code: 'ERR_ARGUMENT',
        message: expect.stringContaining(`ResNet(): ${argument}:`),
      }),
    );
    expect(device.memory().tensors).toBe(before);
  });

  it('keeps only parameters, buffers and gradients, and frees them in dispose()', () => {
    const before = device.memory().tensors;
    const network = new ResNet(build(), { depth: 50, width: 2 });
    const tensors = network.state().size;
    const step = () => tidy(() => backward(sum(network.forward(pattern([2, 1, 32, 32])))));
    expect(device.memory().tensors).toBe(before + tensors);
    for (let repeat = 0; repeat < 3; repeat++) {
      step();
      expect(device.memory().tensors).toBe(before + tensors + network.parameters().size);
    }
    network.eval();
    noGrad(() => tidy(() => network.forward(pattern([2, 1, 32, 32])))).dispose();
    expect(device.memory().tensors).toBe(before + tensors + network.parameters().size);
    network.dispose();
    expect(device.memory().tensors).toBe(before);
  });

  it('gives the same bits for the same seed', async () => {
    const embed = async () => {
      using network = new ResNet(build(), { depth: 18, width: 4 });
      using y = tidy(() => network.forward(pattern([2, 1, 40, 40])));
      return y.data();
    };
    expect(await embed()).toEqual(await embed());
  });

  it('stageOf returns stages 0 to 4 in ascending order', () => {
    using network = new ResNet(build(), { depth: 18, width: 1 });
    const stages = [...network.parameters().keys()].map(stageOf);
    expect(stages).toEqual(stages.toSorted((a, b) => a - b));
    expect(new Set(stages)).toEqual(new Set([0, 1, 2, 3, 4]));
  });
});
