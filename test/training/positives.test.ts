/** What pretraining takes as positives, and what its views show. */
import { afterAll, describe, expect, it } from 'vitest';
import { openDevice } from '#spinegrad/engine/openDevice.js';
import type { Tensor } from '#spinegrad/engine/tensor.js';
import { ProjectionHead } from '#spinegrad/model/projection.js';
import { RandomStream } from '#spinegrad/random.js';
import { resolveConfig, type Settings } from '#spinegrad/training/config.js';
import { drawViews, fixedViews } from '#spinegrad/training/contrastiveViews.js';
import { newEncoder } from '#spinegrad/training/finetune.js';
import { positivesOf } from '#spinegrad/training/positives.js';
import { pretraining } from '#spinegrad/training/pretrain.js';
import { type Disc, RoiDataset } from '#spinegrad/training/roiDataset.js';
import { StepKeys } from '#spinegrad/training/steps.js';
import { contrastiveBank, contrastiveConfig } from './contrastive.js';

const device = await openDevice('cpu', { threads: 1 });
afterAll(() => device.close());

const disc = (id: number, studyId: string, level: string, grade: number | null) =>
  ({ id, studyId, level, grades: [grade] }) as unknown as Disc;

describe('the positives of', () => {
  const discs = [
    disc(0, 'a', 'L5/S1', 1),
    disc(1, 'a', 'L4/L5', 1),
    disc(2, 'b', 'L5/S1', null),
    disc(3, 'a', 'L5/S1', null),
  ];
  const equalTo = (criterion: 'disc' | 'level' | 'grade', index: number) => {
    const { labelOf } = positivesOf({ positives: criterion, positiveWeights: {} })[0]!;
    return discs.filter((other) => labelOf(other) === labelOf(discs[index]!)).map(({ id }) => id);
  };

  it('disc are its own views', () => {
    expect(equalTo('disc', 0)).toEqual([0]);
  });

  it('level are the views of one patient and level', () => {
    expect(equalTo('level', 0)).toEqual([0, 3]);
  });

  it('grade are the views of one grade; a disc without a grade has only its own', () => {
    expect(equalTo('grade', 0)).toEqual([0, 1]);
    expect(equalTo('grade', 2)).toEqual([2]);
  });
});

/** The loss of the first step of pretraining. */
async function firstLoss(settings: Settings): Promise<number> {
  const config = contrastiveConfig({ pretraining: settings });
  const discs = new RoiDataset(device, contrastiveBank(), config.augmentation);
  const encoder = newEncoder({ config, device }, discs.input.spec);
  const build = { device, random: new RandomStream(1) };
  const projection = new ProjectionHead(build, encoder.features, config.pretraining.projection);
  const stage = pretraining({ config, device }, discs, { encoder, projection });
  using loss = stage.lossOf(stage.items.slice(0, 8), new StepKeys(1, 1, 0, 0));
  const value = await loss.item();
  for (const disposable of [encoder, projection, discs]) disposable.dispose();
  return value;
}

describe('the loss', () => {
  it('of several criteria is the weighted mean of their losses', async () => {
    const [ofDisc, ofGrade] = [
      await firstLoss({ positives: 'disc' }),
      await firstLoss({ positives: 'grade' }),
    ];
    expect(Math.abs(ofDisc - ofGrade)).toBeGreaterThan(1e-3);
    expect(await firstLoss({ positives: ['disc', 'grade'] })).toBeCloseTo((ofDisc + ofGrade) / 2, 5);
    const weighted = { positives: ['grade', 'disc'], positiveWeights: { disc: 3 } };
    expect(await firstLoss(weighted)).toBeCloseTo((3 * ofDisc + ofGrade) / 4, 5);
  });

  it('of a list of one criterion is that of the word', async () => {
    expect(await firstLoss({ positives: ['grade'] })).toBe(await firstLoss({ positives: 'grade' }));
  });

  it('depends on the augmentation of pretraining', async () => {
    const plain = await firstLoss({});
    expect(await firstLoss({ augmentation: { tone: 0.1 } })).not.toBe(plain);
    expect(await firstLoss({ augmentation: { rotation: 10 } })).toBe(plain);
  });
});

describe('small crops', () => {
  it('are further views of the loss', async () => {
    expect(await firstLoss({ views: 4 })).not.toBe(await firstLoss({ views: 3 }));
    // Without small crops their side has no effect.
    expect(await firstLoss({ cropSide: 0.25 })).toBe(await firstLoss({}));
    expect(await firstLoss({ views: 3, cropSide: 0.25 })).not.toBe(await firstLoss({ views: 3 }));
  });

  it('have the resolution of the ROI and lie inside of it', async () => {
    const bank = contrastiveBank();
    // The first row of pixels is 0, the second 1, and so on: a crop shows where it lies.
    bank.rois.forEach((_, i) => {
      bank.rois[i] = 1000 * (Math.floor(i / 32) % 32);
    });
    const input = {
      spec: { fusion: 'none' as const, series: ['T2'], slices: 1 },
      normalisation: [{ mean: 0, std: 1 }],
    };
    const discs = new RoiDataset(device, bank, null, input);
    const rows = Array.from({ length: 200 }, () => [0]);
    using crops = discs.views(rows, { seed: 1, step: 2 }, { side: 0.25 }) as Tensor;
    expect(crops.shape).toEqual([200, 1, 8, 8]);
    const values = (await crops.data()).map((value) => (value * 65535) / 1000);
    const tops = Array.from({ length: 200 }, (_, crop) => values[crop * 64 + 3]!);
    expect(Math.min(...tops)).toBeGreaterThan(-0.01);
    expect(Math.max(...tops)).toBeLessThan(24.01);
    expect(Math.max(...tops) - Math.min(...tops)).toBeGreaterThan(20);
    tops.forEach((top, crop) => {
      expect(values[crop * 64 + 59]! - top).toBeCloseTo(7, 2);
    });
  });
});

describe('the views from series', () => {
  const bank = contrastiveBank(['T1', 'T2'], 1);
  const discs = new RoiDataset(device, bank, null);
  const batch = discs.of('train').slice(0, 12);
  const shown = (views: readonly (readonly (number | null)[])[]) =>
    views.map(([row]) => bank.manifest.rois[row!]!);

  it('show each disc in two series, either one first', () => {
    const views = shown(drawViews(discs, batch, 2, 'series', new RandomStream(3)));
    const [first, second] = [views.slice(0, 12), views.slice(12)];
    expect(first.map((roi) => roi.disc)).toEqual(batch.map(({ id }) => id));
    expect(second.map((roi) => roi.disc)).toEqual(batch.map(({ id }) => id));
    first.forEach(({ series }, i) => {
      expect(new Set([series, second[i]!.series])).toEqual(new Set(['T1', 'T2']));
    });
    expect(new Set(first.map(({ series }) => series)).size).toBe(2);
    expect(new Set(views.map(({ sliceOffset }) => sliceOffset))).toEqual(new Set([-1, 0, 1]));
  });

  it('show a disc of one series in this series twice', () => {
    const single = { ...batch[0]!, series: batch[0]!.series.slice(1) };
    const views = shown(drawViews(discs, [single], 2, 'series', new RandomStream(3)));
    expect(views.map(({ series }) => series)).toEqual(['T2', 'T2']);
  });

  it('are the annotated slices in the validation', () => {
    const views = shown(fixedViews(discs, batch.slice(0, 1), 'series'));
    expect(views.map(({ series, sliceOffset }) => [series, sliceOffset])).toEqual([
      ['T1', 0],
      ['T2', 0],
    ]);
  });
});

it.each<[Settings, RegExp]>([
  [{ positives: 'patient' }, /pretraining\.positives: found "patient"; expected one of disc, level, grade/],
  [{ positives: ['disc', 'disc'] }, /pretraining\.positives: .*expected each at most once/],
  [{ positives: [] }, /pretraining\.positives/],
  [
    { drawFrom: 'series' },
    /pretraining\.drawFrom: found "series"; expected slices, or two or more data\.series/,
  ],
  [{ augmentation: { cutout: 2 } }, /pretraining\.augmentation\.cutout: found 2/],
  [{ augmentation: { warp: 2 } }, /pretraining\.augmentation/],
])('%j is refused', (change, message) => {
  expect(() => resolveConfig('smoke', { pretraining: change })).toThrow(
    expect.objectContaining({ code: 'ERR_CONFIG', message: expect.stringMatching(message) }),
  );
});
