/** A bank of small synthetic slices and a run folder, for training and prediction in about a second. */
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LEVELS } from '#spinegrad/anatomy.js';
import type { Bank } from '#spinegrad/data/bank.js';
import type { SliceRecord, Split } from '#spinegrad/data/types.js';
import type { Device } from '#spinegrad/engine/device.js';
import { RandomStream } from '#spinegrad/random.js';
import { SPINAL_CANAL_STENOSIS } from '#spinegrad/tasks/rsna.js';
import { CheckpointStore } from '#spinegrad/training/checkpoint.js';
import { type Config, resolveConfig } from '#spinegrad/training/config.js';
import { silent } from '#spinegrad/training/progress.js';
import { RunLog } from '#spinegrad/training/runLog.js';
import type { Run } from '#spinegrad/training/stage.js';

export const SIZE = 64;

/** The original image has twice as many pixels per side as the letterboxed slice. */
export const TO_IMAGE = [2, 0, 0.5, 0, 2, 0.5] as const;

/** Settings with which a localizer learns the tiny slices in a few seconds. */
export function tinyConfig(...changes: Record<string, unknown>[]): Config {
  const localization = {
    epochs: 8,
    learningRate: 1e-2,
    augmentation: {
      rotation: 0,
      scale: 0,
      translation: 0.05,
      invert: 0,
      tone: 0,
      gamma: 0,
      contrast: 0,
      blur: 0,
      cutout: 0,
      flip: 0,
    },
  };
  const data = { sliceSize: SIZE, roiSize: 32, roiExtentMm: 30 };
  return resolveConfig('smoke', { data, localization }, ...changes);
}

/** Offsets of the discs in pixels, from L1/L2 to L5/S1: anterior is left. */
const LORDOSIS = [1.5, -0.4, -1.6, -1.7, 0];

/** Slices with a bright dot at each disc; the dots grow from level to level. */
export function tinyBank(count: Record<Split, number>): Bank {
  const random = new RandomStream(3);
  const records: SliceRecord[] = [];
  const images: Uint16Array[] = [];
  for (const split of ['train', 'validation', 'test'] as const) {
    for (let i = 0; i < count[split]; i++) {
      const [left, top, pitch] = [random.uniform(20, 44), random.uniform(5, 9), random.uniform(8, 10)];
      const discs = LEVELS.map((level, index) => ({
        level,
        centre: [left + LORDOSIS[index]! + random.uniform(-0.7, 0.7), top + index * pitch] as const,
        box: null,
      }));
      images.push(draw(discs.map(({ centre }) => centre)));
      records.push({
        row: records.length,
        studyId: `${records.length}`,
        seriesId: '1',
        series: 'Sagittal T2/STIR',
        instanceNumber: 1,
        file: 'none.dcm',
        imageSize: [2 * SIZE, 2 * SIZE],
        // 4 mm per pixel of the letterboxed slice, so that the discs are about 36 mm apart.
        pixelSpacing: [2, 2],
        spacingFrom: 'file',
        toImage: TO_IMAGE,
        geometry: null,
        side: null,
        window: { low: 0, high: 1 },
        discs,
        complete: true,
        found: false,
        split,
      });
    }
  }
  const slices = new Uint16Array(images.length * SIZE * SIZE);
  images.forEach((image, index) => {
    slices.set(image, index * SIZE * SIZE);
  });
  const manifest = {
    version: 4,
    // The dots are disc centres, so their distances are those of a table.
    layout: 'table',
    dataset: 'phantom',
    synthetic: true,
    tasks: [SPINAL_CANAL_STENOSIS],
    series: ['Sagittal T2/STIR'],
    roi: { size: 32, mode: 'mm', extentMm: 30, neighbours: 0 },
    sliceSize: SIZE,
    studies: images.length,
    discs: 5 * images.length,
    slices: records,
    rois: [],
    fingerprint: 'tiny',
  } as unknown as Bank['manifest'];
  return { manifest, slices, rois: new Uint16Array() };
}

/** A slice with a dot at each centre and a faint canal, 20 mm posterior of the discs. */
export function draw(centres: readonly (readonly [number, number])[]): Uint16Array {
  const image = new Uint16Array(SIZE * SIZE);
  const left = centres.reduce((sum, [x]) => sum + x, 0) / centres.length;
  for (let i = 0; i < image.length; i++) {
    const column = i % SIZE;
    if (column >= left + 4 && column <= left + 7) image[i] = 8000;
  }
  centres.forEach(([x, y], index) => {
    for (let i = 0; i < image.length; i++) {
      const distance = Math.hypot((i % SIZE) - x, Math.floor(i / SIZE) - y);
      image[i]! += 40000 * Math.exp(-((distance / (1.5 + 0.4 * index)) ** 2));
    }
  });
  return image;
}

export async function tinyRun(device: Device, config: Config): Promise<Run> {
  const dir = await mkdtemp(join(tmpdir(), 'spinegrad-run-'));
  return {
    dir,
    config,
    device,
    checkpoints: new CheckpointStore(dir, { config: 'tiny', data: 'tiny' }),
    log: await RunLog.open(dir, false),
    progress: silent,
    signal: new AbortController().signal,
  };
}
