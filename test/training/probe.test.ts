/** The probes of pretraining: when they run, what they find, and that they do not change the training. */
import { afterAll, describe, expect, it } from 'vitest';
import { openDevice } from '#spinegrad/engine/openDevice.js';
import { RandomStream } from '#spinegrad/random.js';
import { linearProbe } from '#spinegrad/training/probe.js';
import { contrastiveConfig, pretrained } from './contrastive.js';

const device = await openDevice('cpu', { threads: 1 });
afterAll(() => device.close());

describe('the linear probe', () => {
  const random = new RandomStream(1);
  /** Points around the corners of a triangle; the third feature is noise, the fourth constant. */
  const points = (labels: readonly number[]) => ({
    values: Float32Array.from(
      labels.flatMap((k) => [
        100 * Math.cos(2 * k) + random.normal(),
        0.01 * (Math.sin(2 * k) + 0.05 * random.normal()),
        random.normal(),
        3,
      ]),
    ),
    length: 4,
  });
  const labels = Array.from({ length: 60 }, (_, i) => (i % 12 === 0 ? 2 : i % 2));
  const [references, queries] = [points(labels), points([0, 1, 2, 2, 1, 0])];

  it('separates classes along features of any scale, also rare ones', async () => {
    expect(await linearProbe(device, references, labels, queries, 3)).toEqual([0, 1, 2, 2, 1, 0]);
  });

  it('never predicts a class without references', async () => {
    const two = labels.map((label) => Math.min(label, 1));
    expect(await linearProbe(device, references, two, queries, 3)).not.toContain(2);
  });
});

describe('pretraining', () => {
  it('probes every probeEvery epochs and after the last, without a change of the weights', async () => {
    const settings = (probeEvery: number) => contrastiveConfig({ pretraining: { epochs: 3, probeEvery } });
    const probed = await pretrained(device, settings(2));
    expect(probed.rows.map(({ validationProbe }) => validationProbe !== null)).toEqual([false, true, true]);
    const plain = await pretrained(device, settings(0));
    expect(plain.rows.every(({ validationProbe }) => validationProbe === null)).toBe(true);
    expect(plain.weights).toEqual(probed.weights);
    expect(plain.rows.map(({ trainLoss }) => trainLoss)).toEqual(
      probed.rows.map(({ trainLoss }) => trainLoss),
    );
  });

  it('finds the grade in the embeddings of discs that differ by grade', async () => {
    const { rows } = await pretrained(device, contrastiveConfig());
    const { validationProbe, validationAlignment, validationUniformity } = rows.at(-1)!;
    expect(validationProbe!.linear).toBeGreaterThan(0.6);
    expect(validationProbe!.knn).toBeGreaterThan(0.6);
    expect(validationAlignment).toBeGreaterThan(0);
    expect(validationAlignment).toBeLessThan(4);
    expect(validationUniformity).toBeLessThan(0);
  });
});
