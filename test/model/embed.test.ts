/** The embeddings of crops, against the probabilities that the heads make of them. */
import { afterAll, expect, it } from 'vitest';
import { noGrad } from '#spinegrad/engine/autograd.js';
import { openDevice } from '#spinegrad/engine/openDevice.js';
import { embeddingsOf } from '#spinegrad/model/embed.js';
import { newDiscEncoder } from '#spinegrad/model/fusion/encoder.js';
import { fusionSpec } from '#spinegrad/model/fusion/spec.js';
import { cropInputs, GRADING_BATCH, gradeCrops } from '#spinegrad/model/grade.js';
import { Grader } from '#spinegrad/model/grader.js';
import { RandomStream } from '#spinegrad/random.js';

const device = await openDevice('cpu', { threads: 1 });
afterAll(() => device.close());

const SIZE = 32;
const DISCS = GRADING_BATCH + 3;

it.each(['none', 'attention'] as const)('are what the heads grade, with fusion %s', async (fusion) => {
  const random = new RandomStream(1);
  const spec = fusionSpec(fusion, ['Sagittal T2/STIR'], 0);
  const build = { device, random };
  const encoder = newDiscEncoder(build, { depth: 18, width: 8 }, spec);
  const heads = [{ task: 'test', head: 'softmax' as const, grades: 3 }];
  const grader = new Grader(build, encoder, { heads }).eval();
  const input = { spec, normalisation: [{ mean: 0.5, std: 0.3 }] };
  const pixels = Uint16Array.from({ length: DISCS * SIZE ** 2 }, () => random.uniform(0, 65535));
  const crops = { pixels, size: SIZE, discs: Array.from({ length: DISCS }, (_, disc) => [disc]) };
  const { values, length } = await embeddingsOf(encoder, cropInputs(device, crops, input));
  const shape = [values.length / length, length];
  expect(shape).toEqual([DISCS, encoder.features]);
  const rows = noGrad(() => grader.probabilities(grader.heads.forward(device.tensor(values, shape)))[0]!);
  const [graded] = await gradeCrops(device, grader, crops, input);
  expect(new Set(graded!.map((row) => row.join())).size).toBe(DISCS);
  const found = await rows.data();
  graded!.flat().forEach((p, i) => {
    expect(found[i]).toBeCloseTo(p, 5);
  });
});

it('are refused if a value is not finite', async () => {
  const spec = fusionSpec('none', ['Sagittal T2/STIR'], 0);
  const build = { device, random: new RandomStream(1) };
  const heads = [{ task: 'test', head: 'softmax' as const, grades: 3 }];
  const grader = new Grader(build, newDiscEncoder(build, { depth: 18, width: 8 }, spec), { heads }).eval();
  const image = () => device.tensor(new Float32Array(SIZE ** 2).fill(Number.NaN), [1, 1, SIZE, SIZE]);
  await expect(embeddingsOf(grader.encoder, [image])).rejects.toThrow(/embeddings: found NaN/);
});
