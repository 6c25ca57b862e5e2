/**
 * How a trained localizer does on real slices that it has never seen (SPIDER, 9 slices of 7 patients near the middle).
 * Needs a finished run: SPINEGRAD_TEST_DATA=... SPINEGRAD_TEST_RUN=runs/demo npx vitest run test/predict/spider.test.ts
 *
 * SPIDER's masks give the centres of discs; the training data annotate the canal behind them, some 20 to 25 mm to the
 * back. So the level is what can be compared: the predicted point's nearest disc along the spine should be its own.
 * The files have no pixel spacing: distances are shares of the mean distance of neighbouring discs.
 */
import { expect, it } from 'vitest';
import type { Level, Point } from '#spinegrad/anatomy.js';
import { LEVELS } from '#spinegrad/anatomy.js';
import { applyAffine, invertAffine } from '#spinegrad/data/affine.js';
import { letterboxSlice } from '#spinegrad/data/roi.js';
import { openDevice } from '#spinegrad/engine/device.js';
import { loadModel } from '#spinegrad/model/bundle.js';
import { locate, meanSpread } from '#spinegrad/model/locate.js';
import { orient } from '#spinegrad/predict/orientation.js';
import { readSpider, SPIDER_MIDDLE_SLICES } from '../data/spider.js';

const { SPINEGRAD_TEST_DATA: data, SPINEGRAD_TEST_RUN: folder } = process.env;

it.skipIf(!data || !folder)('finds the levels of real slices', async () => {
  using device = await openDevice('cpu');
  const model = await loadModel(folder!, device);
  const { normalisation, localizer } = model.description;
  const { sliceSize } = localizer.network;
  const rows: Record<string, string | number | boolean>[] = [];
  let [hits, total, squares] = [0, 0, 0];
  for (const name of SPIDER_MIDDLE_SLICES) {
    const { slice, centres } = await readSpider(data!, name);
    const crop = letterboxSlice(slice, sliceSize);
    const [found] = await locate(device, model.localizer, [crop], sliceSize, normalisation.slices);
    const shares = alongSpine(centres, found!.points);
    const right = [...centres.keys()].filter((level) => Math.abs(shares.get(level)!) < 0.5).length;
    for (const share of shares.values()) squares += share ** 2;
    hits += right;
    total += centres.size;
    const oriented = await orient(device, model, slice);
    const [anterior] = applyAffine(invertAffine(crop.toImage), found!.points[2]!);
    rows.push({
      slice: name,
      levels: `${right} of ${centres.size}`,
      shares: [...shares.values()].map((share) => share.toFixed(2)).join(' '),
      x: anterior.toFixed(0),
      doubt: (meanSpread(found!) / localizer.spreadP95).toFixed(1),
      orientation: `${oriented.anterior} ${oriented.superior}`,
    });
  }
  console.table(rows);
  console.log(
    `levels ${hits} of ${total}, along the spine ${Math.sqrt(squares / total).toFixed(2)} of a level (RMS)`,
  );
  model.dispose();
  expect(hits).toBeGreaterThan(total / 2);
});

/** How far down each point lies from its disc, in distances of neighbouring discs; disc planes are nearly level. */
function alongSpine(centres: ReadonlyMap<Level, Point>, points: readonly Point[]): Map<Level, number> {
  const known = [...centres.values()];
  const pitch = (known.at(-1)![1] - known[0]![1]) / (known.length - 1);
  return new Map(
    [...centres].map(([level, [, y]]) => [level, (points[LEVELS.indexOf(level)]![1] - y) / pitch]),
  );
}
