/**
 * Synthetic training slices for the localizer. Their disc centres are exact, and every visible disc is annotated. They help
 * if there are few real slices.
 */

import { applyAffine, invertAffine } from '../data/affine.js';
import type { Bank } from '../data/bank.js';
import { letterboxSlice } from '../data/roi.js';
import { sliceOfPixels } from '../data/series.js';
import type { SliceRecord } from '../data/types.js';
import { SpinegradError } from '../error.js';
import { type DiscSlice, drawDiscSlice } from '../phantom/discSlice.js';

/** The phantoms of a run differ from those that a run without `--data` is trained on. */
const SEED_OFFSET = 7001;

/** Half of the slices are T2, half T1. */
const SERIES = ['Sagittal T2/STIR', 'Sagittal T1'] as const;

/**
 * The bank with `count` synthetic slices among the training slices. The regions of interest are the same.
 *
 * @throws SpinegradError ERR_CONFIG if the points of the bank are no disc centres
 *
 * @example
 * withPhantoms(await readBank('bank'), 40, 1).manifest.slices.at(-1)!.file; // 'phantom-39'
 */
export function withPhantoms(bank: Bank, count: number, seed: number): Bank {
  if (count === 0) return bank;
  const { manifest } = bank;
  if (manifest.layout === 'rsna') {
    throw new SpinegradError(
      'ERR_CONFIG',
      `localization.phantoms is ${count}, expected 0 for the layout rsna: its points mark the canal, and those of synthetic slices mark disc centres`,
    );
  }
  const size = manifest.sliceSize;
  const pixels = new Uint16Array(bank.slices.length + count * size * size);
  pixels.set(bank.slices);
  const records = Array.from({ length: count }, (_, index): SliceRecord => {
    const row = manifest.slices.length + index;
    const drawn = drawDiscSlice(seed + SEED_OFFSET, index, SERIES[index % SERIES.length]!);
    const { record, letterboxed } = letterbox(drawn, `phantom-${index}`, size);
    pixels.set(letterboxed, row * size * size);
    return { ...record, row };
  });
  return { ...bank, manifest: { ...manifest, slices: [...manifest.slices, ...records] }, slices: pixels };
}

function letterbox(drawn: DiscSlice, name: string, size: number) {
  const pixelSpacing = [drawn.spacing, drawn.spacing] as const;
  const slice = sliceOfPixels(name, { ...drawn, pixels: Float32Array.from(drawn.pixels) }, pixelSpacing);
  const { pixels, toImage, window } = letterboxSlice(slice, size);
  const toRow = invertAffine(toImage);
  const record: Omit<SliceRecord, 'row'> = {
    ...{ studyId: name, seriesId: name, series: drawn.series, instanceNumber: 1, file: name },
    ...{ pixelSpacing, spacingFrom: 'file', imageSize: [drawn.columns, drawn.rows], toImage, window },
    ...{ geometry: null, side: null },
    discs: drawn.discs.map(({ level, centre }) => ({ level, centre: applyAffine(toRow, centre), box: null })),
    complete: true,
    found: false,
    split: 'train',
  };
  return { record, letterboxed: pixels };
}
