/** The views of a batch of discs in pretraining: which slices and series they show. */
import type { Slots } from '../model/fusion/input.js';
import type { RandomStream } from '../random.js';
import type { Config } from './config.js';
import type { Disc, RoiDataset } from './roiDataset.js';

/** Complete views per disc; further ones are small crops. */
export const VIEWS = 2;

type Source = Config['pretraining']['drawFrom'];

/**
 * Draws views of each disc: all first views, then all second views, and so on. From `slices` a view shows a random slice of
 * the first series. From `series` the views of a disc show its series in turn, from a random first one.
 */
export function drawViews(
  discs: RoiDataset,
  batch: readonly Disc[],
  count: number,
  source: Source,
  random: RandomStream,
): Slots[] {
  const first = source === 'series' ? batch.map(({ series }) => random.pick([...series.keys()])) : [];
  return Array.from({ length: count }, (_, view) =>
    batch.map((disc, index) =>
      source === 'series'
        ? [random.pick(disc.series[(first[index]! + view) % disc.series.length]!.rows)]
        : discs.slots(disc, (rows) => random.pick(rows)),
    ),
  ).flat();
}

/** Fixed views of each disc: the first slices of its first series, or the annotated slices of its series. */
export const fixedViews = (discs: RoiDataset, batch: readonly Disc[], source: Source): Slots[] =>
  Array.from({ length: VIEWS }, (_, view) =>
    batch.map((disc) =>
      source === 'series'
        ? [disc.series[view % disc.series.length]!.row]
        : discs.slots(disc, (rows) => rows[view % rows.length]!),
    ),
  ).flat();
