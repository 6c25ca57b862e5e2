/**
 * A trained model on real slices: SPIDER slices that are stored upside down, and images that are no lumbar spine.
 * Needs a finished run with a U-Net: SPINEGRAD_TEST_DATA=... SPINEGRAD_TEST_RUN=runs/demo npx vitest run test/predict/spider.test.ts
 *
 * SPIDER's masks give disc centres; the files have no pixel spacing, so distances are fractions of the pitch.
 */
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { encode } from 'fast-png';
import { describe, expect, it } from 'vitest';
import { readPng } from '#spinegrad/data/png.js';
import { openDevice } from '#spinegrad/engine/openDevice.js';
import { loadModel } from '#spinegrad/model/bundle.js';
import { orient } from '#spinegrad/predict/orientation.js';
import { predict } from '#spinegrad/predict/predict.js';
import { RandomStream } from '#spinegrad/random.js';
import { readSpider, SPIDER_MIDDLE_SLICES } from '../data/spider.js';

const { SPINEGRAD_TEST_DATA: data, SPINEGRAD_TEST_RUN: run } = process.env;

describe.skipIf(!data || !run)('a trained model on real images', () => {
  it('recognises slices that are stored upside down, and finds or doubts their levels', async () => {
    using device = await openDevice('cpu');
    const model = await loadModel(run!, device);
    let [hits, total, upsideDown] = [0, 0, 0];
    const unnoticed: string[] = [];
    for (const name of SPIDER_MIDDLE_SLICES) {
      const stored = await readPng(join(data!, 'spider-slices/images', name), null);
      const { centres } = await readSpider(data!, name);
      const { located, superior } = await orient(device, model, stored);
      if (superior === 'bottom') upsideDown++;
      const right = [...centres].filter(([level, [x, y]]) => {
        const found = located.discs.find((disc) => disc.level === level)?.point;
        const distance = found && Math.hypot(found[0] - x, stored.rows - 1 - found[1] - y);
        return distance !== undefined && distance < located.pitchPx / 2;
      }).length;
      hits += right;
      total += centres.size;
      if (right < centres.size && !located.doubtful) unnoticed.push(name);
    }
    model.dispose();
    console.log(`levels ${hits} of ${total}; upside down ${upsideDown} of ${SPIDER_MIDDLE_SLICES.length}`);
    expect(upsideDown).toBe(SPIDER_MIDDLE_SLICES.length);
    expect(hits).toBeGreaterThan(0.7 * total);
    expect(unnoticed).toEqual([]);
  });

  it('refuses noise, black and constant images, the head and neck, and axial slices', async () => {
    using device = await openDevice('cpu');
    const folder = await mkdtemp(join(tmpdir(), 'spinegrad-refuse-'));
    const random = new RandomStream(1);
    const code = (input: string) => predict(device, { input, model: run! }).catch((error) => error.code);
    const values = { noise: () => random.uniform(0, 255), black: () => 0, constant: () => 128 };
    for (const [name, value] of Object.entries(values)) {
      const input = join(folder, `${name}.png`);
      const pixels = Uint8Array.from({ length: 256 * 256 }, value);
      await writeFile(input, encode({ width: 256, height: 256, data: pixels, channels: 1, depth: 8 }));
      expect(await code(input), name).toBe('ERR_NOT_LUMBAR');
    }
    expect(await code(join(data!, 'spine-dicom/GH1339.dcm'))).toBe('ERR_SERIES_NOT_FOUND');
    const neck = await code(join(data!, 'spine-dicom/ISO_IR13.dcm'));
    if (neck !== 'ERR_NOT_LUMBAR') expect(neck.prediction.doubtful).toBe(true);
  });
});
