/**
 * Memory of long runs. `npm run test:soak` runs 2,000 training steps, 200 workers and 10,000 predictions, and prints what each
 * part held after a tenth of it and at its end; SOAK_STEPS, SOAK_WORKERS and SOAK_PREDICTIONS change the counts.
 * docs/performance.md has the figures. Without it the counts are small, and the resident memory is not compared.
 */
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import { backward } from '#spinegrad/engine/autograd.js';
import { openDevice } from '#spinegrad/engine/openDevice.js';
import { focalLoss } from '#spinegrad/engine/ops/focalLoss.js';
import { resnet18 } from '#spinegrad/nn/resnet.js';
import { AdamW } from '#spinegrad/optim/adamW.js';
import { predict } from '#spinegrad/predict/predict.js';
import { RandomStream } from '#spinegrad/random.js';
import { trainedModel, writePng } from '../predict/models.js';

const SOAK = process.env.SPINEGRAD_SOAK !== undefined;
const countOf = (name: string, full: number, short: number): number =>
  Number(process.env[`SOAK_${name}`] ?? (SOAK ? full : short));
const HOUR = 3_600_000;
/** Resident bytes that a part may add after its first tenth. */
const GROWTH = 32e6;

interface Held {
  rss: number;
  files: number;
  threads: number;
}

function held(): Held {
  return {
    rss: process.memoryUsage().rss,
    files: readdirSync('/proc/self/fd').length,
    threads: readdirSync('/proc/self/task').length,
  };
}

/** Runs `body` `count` times, compares what is held after a tenth and at the end, and prints it. */
async function soak(name: string, count: number, body: (index: number) => Promise<void>): Promise<void> {
  const start = performance.now();
  let early = held();
  for (let index = 0; index < count; index++) {
    await body(index);
    if (index + 1 === Math.ceil(count / 10)) early = held();
  }
  const late = held();
  const megabytes = ({ rss }: Held): string => `${Math.round(rss / 1e6)} MB`;
  console.log(
    `${count} ${name}: ${megabytes(early)} after a tenth, ${megabytes(late)} at the end; files ${early.files}, ${late.files}; ` +
      `threads ${early.threads}, ${late.threads}; ${Math.round((performance.now() - start) / 1000)} s`,
  );
  expect(late.files).toBeLessThanOrEqual(early.files + 2);
  expect(late.threads).toBeLessThanOrEqual(early.threads + 2);
  if (SOAK) expect(late.rss - early.rss).toBeLessThan(GROWTH);
}

const WORKER = `
  (async () => {
    const { openDevice } = await import('${new URL('../../dist/engine/openDevice.js', import.meta.url).href}');
    const device = await openDevice('cpu', { threads: 2 });
    const x = device.full([1 << 20], 1);
    await x.data();
    device.close();
  })();
`;

describe('memory stays flat', () => {
  it('in training steps', { timeout: HOUR }, async () => {
    using device = await openDevice('cpu', { threads: 2 });
    const net = resnet18({ device, random: new RandomStream(1) }, { width: 8 });
    const optimizer = new AdamW(net.parameters(), { learningRate: 1e-3 });
    const classes = device.tensor(Int32Array.of(0, 1, 2, 0, 1, 2, 0, 1));
    let tensors: number | undefined;
    await soak('training steps', countOf('STEPS', 2000, 30), async (index) => {
      using images = device.full([8, 1, 32, 32], Math.sin(index));
      using loss = focalLoss(net.forward(images), classes);
      backward(loss);
      optimizer.step();
      optimizer.zeroGrad();
      await loss.item();
      tensors ??= device.memory().tensors;
      expect(device.memory().tensors).toBe(tensors);
    });
  });

  it('in workers that open and close a device', { timeout: HOUR }, async () => {
    await soak('workers', countOf('WORKERS', 200, 3), async () => {
      const [status] = await once(new Worker(WORKER, { eval: true, execArgv: [] }), 'exit');
      expect(status).toBe(0);
    });
  });

  it('in predictions', { timeout: 10 * HOUR }, async () => {
    using device = await openDevice('cpu', { threads: 2 });
    const folder = await mkdtemp(join(tmpdir(), 'spinegrad-soak-'));
    try {
      const { model, image } = await trainedModel(device, folder);
      const input = await writePng(join(folder, 'spine.png'), image);
      let tensors: number | undefined;
      await soak('predictions', countOf('PREDICTIONS', 10_000, 5), async () => {
        await predict(device, { input, model, spacing: 4 });
        tensors ??= device.memory().tensors;
        expect(device.memory().tensors).toBe(tensors);
      });
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
