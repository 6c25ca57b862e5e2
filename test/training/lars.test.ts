/** Pretraining with LARS instead of AdamW. */
import { afterAll, expect, it } from 'vitest';
import { z } from 'zod';
import { openDevice } from '#spinegrad/engine/openDevice.js';
import { CheckpointStore } from '#spinegrad/training/checkpoint.js';
import { tinyRun } from '../predict/tiny.js';
import { contrastiveConfig, pretrained } from './contrastive.js';

const device = await openDevice('cpu', { threads: 1 });
afterAll(() => device.close());

const settings = (optimizer: 'adamw' | 'lars') =>
  contrastiveConfig({
    pretraining: { epochs: 4, optimizer, learningRate: optimizer === 'lars' ? 1 : 1e-3, probeEvery: 0 },
  });

it('lowers the loss, with other weights than AdamW', async () => {
  const { rows, weights } = await pretrained(device, settings('lars'));
  expect(rows.at(-1)!.trainLoss).toBeLessThan(rows[0]!.trainLoss);
  expect(weights).not.toEqual((await pretrained(device, settings('adamw'))).weights);
});

it('writes its velocities into the checkpoint', async () => {
  const config = settings('lars');
  const run = await tinyRun(device, config);
  await pretrained(device, config, { run });
  const store = new CheckpointStore(run.dir, { config: 'tiny', data: 'tiny' });
  const { groups } = (await store.read('pretraining', z.any()))!;
  const names = [...groups.optimizer.keys()];
  expect(names).toContain('velocity.encoder.conv1.weight');
  expect(names.filter((name) => !name.startsWith('velocity.'))).toEqual(['steps']);
});
