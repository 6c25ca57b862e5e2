/** A small bank of discs that look different by grade, and its pretraining, in about a second. */
import type { Device } from '#spinegrad/engine/device.js';
import { valuesOf } from '#spinegrad/nn/values.js';
import { RandomStream } from '#spinegrad/random.js';
import { SPINAL_CANAL_STENOSIS } from '#spinegrad/tasks/rsna.js';
import type { Config, Settings } from '#spinegrad/training/config.js';
import { newEncoder } from '#spinegrad/training/finetune.js';
import { pretrain } from '#spinegrad/training/pretrain.js';
import { type RoiBank, RoiDataset } from '#spinegrad/training/roiDataset.js';
import type { Run } from '#spinegrad/training/stage.js';
import { tinyConfig, tinyRun } from '../predict/tiny.js';

const SIDE = 32;
const DISCS = { train: 24, validation: 12 };

/** Stripes whose angle depends on the grade, with noise; each disc has a slice per series and offset. */
export function contrastiveBank(series: readonly string[] = ['T2'], neighbours = 0): RoiBank {
  const random = new RandomStream(7);
  const rois: RoiBank['manifest']['rois'][number][] = [];
  const pixels: number[] = [];
  let disc = 0;
  for (const split of ['train', 'validation'] as const) {
    for (let i = 0; i < DISCS[split]; i++, disc++) {
      const grade = disc % 3;
      const phase = random.uniform(0, 6);
      for (const name of series) {
        for (let offset = -neighbours; offset <= neighbours; offset++) {
          const [u, v] = [Math.cos(grade), Math.sin(grade)];
          rois.push({
            ...{ disc, row: rois.length, studyId: `${disc >> 1}`, seriesId: name, series: name },
            ...{
              level: disc % 2 ? 'L4/L5' : 'L5/S1',
              side: null,
              grades: [grade],
              sliceOffset: offset,
              split,
            },
          });
          for (let p = 0; p < SIDE * SIDE; p++) {
            const wave = Math.sin(phase + u * (p % SIDE) + v * Math.floor(p / SIDE));
            pixels.push(30000 + 15000 * wave + random.uniform(-5000, 5000));
          }
        }
      }
    }
  }
  const roi = { size: SIDE, neighbours };
  const manifest = { roi, tasks: [SPINAL_CANAL_STENOSIS], series, rois };
  return { manifest, rois: Uint16Array.from(pixels) };
}

const SETTINGS = {
  encoder: { width: 4 },
  pretraining: { epochs: 2, discs: 8, projection: 16 },
};

export const contrastiveConfig = (...changes: Settings[]): Config => tinyConfig(SETTINGS, ...changes);

/** Pretrains on a bank; returns the rows of the log, and the weights of the encoder. */
export async function pretrained(
  device: Device,
  config: Config,
  { bank = contrastiveBank(), run }: { bank?: RoiBank; run?: Run } = {},
) {
  const context = run ?? (await tinyRun(device, config));
  const discs = new RoiDataset(device, bank, config.augmentation, config.fusion);
  const encoder = newEncoder(context, discs.input.spec);
  const { rows } = await pretrain(context, discs, encoder);
  const weights = await valuesOf(encoder.state());
  encoder.dispose();
  discs.dispose();
  return { rows, weights };
}
