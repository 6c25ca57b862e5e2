/**
 * The input of an encoder for a batch of discs. A disc has slots: one per series and slice, series by series. A slot is a
 * row of a bank of crops, or null if the study does not have the series or the slice.
 */
import { type AugmentKeys, type AugmentOptions, augment } from '../../engine/ops/augment.js';
import { concat } from '../../engine/ops/concat.js';
import { mul } from '../../engine/ops/elementwise.js';
import { gather } from '../../engine/ops/gather.js';
import type { Tensor } from '../../engine/tensor.js';
import type { FusionSpec } from './spec.js';

/** Rows of a bank, one per slot. At least one is not null. */
export type Slots = readonly (number | null)[];

/** The crops of a batch of N discs for attention pooling. */
export interface Instances {
  /** Per series, the crops of all discs [P, 1, S, S]; a single crop occurs twice; null if no disc has the series. */
  crops: readonly (Tensor | null)[];
  /** Per series and slice, int32 [N]: the row of each disc in the crops; any row if it is masked. */
  rows: readonly (readonly Tensor[])[];
  /** uint8 [N, slots]: 1 if the crop exists. */
  mask: Tensor;
}

/** [N, C, S, S], or crops for attention. */
export type EncoderInput = Tensor | Instances;

/**
 * Makes the input of an encoder from a bank of crops. All series of a disc have the same random geometry and the same
 * random intensities, and a missing slot does not change the views of the others.
 *
 * @param bank uint16 [rows, S, S]
 * @param options per series: augmentation and normalisation
 */
export function encoderInput(
  bank: Tensor,
  discs: readonly Slots[],
  { fusion, slices }: Pick<FusionSpec, 'fusion' | 'slices'>,
  keys: AugmentKeys,
  options: readonly AugmentOptions[],
): EncoderInput {
  const { device } = bank;
  const views = (rows: readonly (number | null)[], series: number) =>
    augment(bank, device.tensor(Int32Array.from(rows, (row) => row ?? 0)), keys, options[series]!);

  if (fusion === 'none') {
    return views(
      discs.map(([row]) => row!),
      0,
    );
  }
  if (fusion === 'channels') {
    const channels = options.map((_, series) => {
      const rows = discs.map((slots) => slots[series] ?? null);
      const view = views(rows, series);
      return rows.includes(null) ? mul(view, presence(view, rows)) : view;
    });
    return concat(channels, 1);
  }
  const mask = discs.flat().map((row) => Number(row !== null));
  const made = options.map((_, series) => {
    const rows = discs.flatMap((slots) => slots.slice(series * slices, (series + 1) * slices));
    const present = rows.flatMap((row, index) => (row === null ? [] : [index]));
    const position = new Map(present.map((index, row) => [index, row]));
    // Batch norm in training needs more than one value per channel, and the last map of a small crop is one pixel.
    if (present.length === 1 && rows.length > 1) present.push(present[0]!);
    const crops =
      present.length === 0
        ? null
        : present.length === rows.length
          ? views(rows, series)
          : gather(views(rows, series), device.tensor(Int32Array.from(present)));
    const slots = Array.from({ length: slices }, (_, slice) =>
      device.tensor(Int32Array.from(discs, (_, disc) => position.get(disc * slices + slice) ?? 0)),
    );
    return { crops, slots };
  });
  return {
    crops: made.map(({ crops }) => crops),
    rows: made.map(({ slots }) => slots),
    mask: device.tensor(Uint8Array.from(mask), [discs.length, slices * options.length]),
  };
}

/** 1 in the views of rows that exist, 0 in the others; of the shape of `views`. */
function presence(views: Tensor, rows: readonly (number | null)[]): Tensor {
  const [, ...shape] = views.shape;
  const size = shape.reduce((a, b) => a * b);
  const values = new Float32Array(rows.length * size);
  for (const [index, row] of rows.entries()) {
    if (row !== null) values.fill(1, index * size, (index + 1) * size);
  }
  return views.device.tensor(values, views.shape);
}
