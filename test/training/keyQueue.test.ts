/** The queue of keys of pretraining and the encoder that computes them. */
import { afterAll, describe, expect, it } from 'vitest';
import { openDevice } from '#spinegrad/engine/openDevice.js';
import { ProjectionHead } from '#spinegrad/model/projection.js';
import { resnet18 } from '#spinegrad/nn/resnet.js';
import { valuesOf } from '#spinegrad/nn/values.js';
import { RandomStream } from '#spinegrad/random.js';
import { resolveConfig } from '#spinegrad/training/config.js';
import { KeyQueue } from '#spinegrad/training/keyQueue.js';
import { tinyRun } from '../predict/tiny.js';
import { contrastiveConfig, pretrained } from './contrastive.js';

const device = await openDevice('cpu', { threads: 1 });
afterAll(() => device.close());

const networks = (seed: number) => {
  const build = { device, random: new RandomStream(seed) };
  const encoder = resnet18(build, { width: 2 });
  return { encoder, projection: new ProjectionHead(build, encoder.features, 4) };
};

function newQueue(size: number): KeyQueue {
  const { encoder, projection } = networks(1);
  return new KeyQueue({ device, random: new RandomStream(3) }, encoder, projection, { size, length: 4 });
}

describe('the queue', () => {
  it('begins with random unit vectors of no disc', async () => {
    const queue = newQueue(6);
    expect(queue.ids).toEqual(new Array(6).fill(undefined));
    const values = await queue.keys.data();
    for (let row = 0; row < 6; row++) {
      expect(Math.hypot(...values.subarray(4 * row, 4 * row + 4))).toBeCloseTo(1, 5);
    }
  });

  it('takes keys at its front and drops the oldest', async () => {
    const queue = newQueue(5);
    const push = (ids: number[]) =>
      queue.push(device.tensor(Float32Array.from(ids.flatMap((id) => [id, 0, 0, 0])), [ids.length, 4]), ids);
    push([1, 2]);
    push([3, 4]);
    push([5, 6]);
    expect(queue.ids).toEqual([5, 6, 3, 4, 1]);
    const first = (await queue.keys.data()).filter((_, i) => i % 4 === 0);
    expect([...first]).toEqual([5, 6, 3, 4, 1]);
  });

  it('is restored by load()', async () => {
    const queue = newQueue(3);
    queue.push(device.zeros([2, 4]), [7, 8]);
    const other = newQueue(3).load(await valuesOf(queue.state()), 'test');
    expect(other.ids).toEqual([7, 8, undefined]);
    expect(await other.keys.data()).toEqual(await queue.keys.data());
  });

  it('moves its weights towards the trained ones by 1 - momentum', async () => {
    const queue = newQueue(1);
    const before = await valuesOf(queue.state());
    const { encoder, projection } = networks(2);
    queue.follow(encoder, projection, 0.75);
    const after = await valuesOf(queue.state());
    const trained = await valuesOf(encoder.state());
    const name = 'conv1.weight';
    const [a, b, c] = [before.get(`encoder.${name}`)!, trained.get(name)!, after.get(`encoder.${name}`)!];
    a.data.forEach((value, i) => {
      expect(c.data[i]).toBeCloseTo(0.75 * value + 0.25 * b.data[i]!, 5);
    });
  });
});

describe('pretraining with a queue', () => {
  const config = contrastiveConfig({ pretraining: { queue: 24, keyMomentum: 0.9, probeEvery: 0 } });

  it('trains, and resumes within an epoch to the same bits', async () => {
    const reference = await pretrained(device, config);
    const plain = await pretrained(device, contrastiveConfig({ pretraining: { probeEvery: 0 } }));
    expect(reference.weights).not.toEqual(plain.weights);

    const run = await tinyRun(device, config);
    const stop = new AbortController();
    let steps = 0;
    const progress = { ...run.progress, update: () => ++steps === 5 && stop.abort(new Error('stopped')) };
    const stopped = { ...run, progress, signal: stop.signal } as typeof run;
    await expect(pretrained(device, config, { run: stopped })).rejects.toThrow('stopped');
    const resumed = await pretrained(device, config, { run });
    expect(resumed.weights).toEqual(reference.weights);
    expect(resumed.rows).toEqual(reference.rows);
  });

  it.each([['grade'], ['disc', 'level']])('accepts positives %j', async (...positives) => {
    const { rows } = await pretrained(
      device,
      contrastiveConfig({ pretraining: { queue: 10, epochs: 1, positives, learnTemperature: true } }),
    );
    expect(rows).toHaveLength(1);
    expect(rows[0]!.trainLoss).toBeGreaterThan(0);
  });

  it('is refused with more than two views', () => {
    expect(() => resolveConfig('smoke', { pretraining: { queue: 8, views: 3 } })).toThrow(
      expect.objectContaining({
        code: 'ERR_CONFIG',
        message: expect.stringMatching(/pretraining\.views: found 3/),
      }),
    );
  });
});
