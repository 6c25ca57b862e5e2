/**
 * Folded and unfolded networks compute the same function. Error bound: folding rounds each filter and bias once more
 * (2 u, u = 2^-24), and so does the sum of each layer. With 18 convolutions of gain about 1, logits differ by about
 * 18 * 4 u = 4e-6 of the largest one. The bound is 8 times that.
 */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { noGrad } from '#spinegrad/engine/autograd.js';
import type { Device } from '#spinegrad/engine/device.js';
import { openDevice } from '#spinegrad/engine/openDevice.js';
import { tidy } from '#spinegrad/engine/tidy.js';
import { Grader } from '#spinegrad/model/grader.js';
import { foldBatchNorms } from '#spinegrad/nn/fold.js';
import { resnet18 } from '#spinegrad/nn/resnet.js';
import { RandomStream } from '#spinegrad/random.js';

const BOUND = 8 * 18 * 4 * 2 ** -24;

let device: Device;
beforeAll(async () => {
  device = await openDevice('cpu', { threads: 2 });
});
afterAll(() => device.close());

/** A grader whose batch norms have random statistics, weights and biases, as after training. */
function trainedGrader(): Grader {
  const random = new RandomStream(3);
  const build = { device, random };
  const grader = new Grader(build, resnet18(build, { width: 8 }), {
    heads: [{ task: 'test/a', head: 'softmax', grades: 3 }],
  });
  const draw: Record<string, () => number> = {
    running_mean: () => random.normal(0, 0.3),
    running_var: () => random.uniform(0.5, 2),
    weight: () => random.uniform(0.5, 1.5),
    bias: () => random.normal(0, 0.3),
  };
  for (const [name, tensor] of grader.state()) {
    const [, kind] = /(?:bn\d|downsample\.1)\.(\w+)$/.exec(name) ?? [];
    if (kind) tensor.write(Float32Array.from({ length: tensor.size }, draw[kind]!));
  }
  return grader.eval();
}

const pixels = new RandomStream(5);
const images = Float32Array.from({ length: 3 * 32 * 32 }, () => pixels.normal(0, 1));

async function logitsOf(grader: Grader): Promise<Float32Array> {
  using logits = noGrad(() => tidy(() => grader.forward(device.tensor(images, [3, 1, 32, 32]))[0]!));
  return await logits.data();
}

it('gives the same logits and removes the batch norms from the state', async () => {
  using grader = trainedGrader();
  const expected = await logitsOf(grader);
  const before = device.memory().tensors;
  await foldBatchNorms(grader);
  const found = await logitsOf(grader);
  const largest = Math.max(...expected.map(Math.abs));
  expect(largest).toBeGreaterThan(0.1);
  expect(Math.max(...expected.map((value, i) => Math.abs(value - found[i]!))) / largest).toBeLessThan(BOUND);
  const names = [...grader.state().keys()];
  expect(names.filter((name) => /bn\d|running/.test(name))).toEqual([]);
  expect(names).toContain('encoder.conv1.bias');
  expect(device.memory().tensors).toBe(before - 20 * 3); // each of 20 norms frees four tensors and adds a bias
  await foldBatchNorms(grader); // a second call changes nothing
  expect(await logitsOf(grader)).toEqual(found);
});

it('throws ERR_FOLDED when a folded network is trained', async () => {
  using grader = trainedGrader();
  await foldBatchNorms(grader);
  grader.train();
  const forward = () => tidy(() => grader.forward(device.tensor(images, [3, 1, 32, 32])));
  expect(forward).toThrow(expect.objectContaining({ code: 'ERR_FOLDED' }));
});
