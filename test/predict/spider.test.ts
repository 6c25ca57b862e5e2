/**
 * A trained localizer on unseen real slices (SPIDER, 9 slices of 7 patients near the middle).
 * Needs a finished run: SPINEGRAD_TEST_DATA=... SPINEGRAD_TEST_RUN=runs/demo npx vitest run test/predict/spider.test.ts
 *
 * SPIDER's masks give disc centres; the training data annotate the canal, 20 to 25 mm posterior of them. Only levels can be
 * compared: the nearest disc along the spine should be that of the predicted level. The files have no pixel spacing, so
 * distances are fractions of the mean distance of neighbouring discs.
 */
import { expect, it } from 'vitest';
import { LEVELS, type Level, type Point } from '#spinegrad/anatomy.js';
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
    const points = LEVELS.map(
      (level): Point => found!.discs.find((disc) => disc.level === level)?.point ?? [0, 0],
    );
    const offsets = alongSpine(centres, points);
    const right = [...centres.keys()].filter((level) => Math.abs(offsets.get(level)!) < 0.5).length;
    for (const offset of offsets.values()) squares += offset ** 2;
    hits += right;
    total += centres.size;
    const oriented = await orient(device, model, slice);
    const [anterior] = applyAffine(invertAffine(crop.toImage), points[2]!);
    rows.push({
      slice: name,
      levels: `${right} of ${centres.size}`,
      offsets: [...offsets.values()].map((offset) => offset.toFixed(2)).join(' '),
      x: anterior.toFixed(0),
      uncertainty: (meanSpread(found!) / localizer.spreadP95).toFixed(1),
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

/** Offset of each point from its disc along the spine, in distances of neighbouring discs; disc planes are nearly level. */
function alongSpine(centres: ReadonlyMap<Level, Point>, points: readonly Point[]): Map<Level, number> {
  const annotated = [...centres.values()];
  const pitch = (annotated.at(-1)![1] - annotated[0]![1]) / (annotated.length - 1);
  return new Map(
    [...centres].map(([level, [, y]]) => [
      level,
      (points[LEVELS.indexOf(level as (typeof LEVELS)[number])]![1] - y) / pitch,
    ]),
  );
}
