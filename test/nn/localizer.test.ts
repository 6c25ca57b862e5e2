import { afterAll, describe, expect, it } from 'vitest';
import { LEVELS, type Point } from '#spinegrad/anatomy.js';
import { applyAffine } from '#spinegrad/data/affine.js';
import { openDevice } from '#spinegrad/engine/device.js';
import { conv2d } from '#spinegrad/engine/ops/conv2d.js';
import { softArgmax2d } from '#spinegrad/engine/ops/softArgmax2d.js';
import type { Tensor } from '#spinegrad/engine/tensor.js';
import { ANTERIOR, type HeadKind, LocalizationHead, Localizer, POINTS } from '#spinegrad/model/localizer.js';
import { locate, meanSpread, spreadP95 } from '#spinegrad/model/locate.js';
import { ResNet } from '#spinegrad/nn/resnet.js';
import { RandomStream } from '#spinegrad/random.js';
import { jointLocalization, locateRecords, summarise, trainLocalizer } from '#spinegrad/training/localize.js';
import { SliceDataset } from '#spinegrad/training/sliceDataset.js';
import { StepKeys } from '#spinegrad/training/steps.js';
import { SIZE, TO_IMAGE, tinyBank, tinyConfig, tinyRun } from '../predict/tiny.js';

const device = await openDevice('cpu', { threads: 2 });
afterAll(() => device.close());

function network(kind: HeadKind): Localizer {
  const build = { device, random: new RandomStream(1) };
  const encoder = new ResNet(build, { depth: 18, width: 4, strides: [1, 2, 1] });
  return new Localizer(encoder, new LocalizationHead(build, encoder, SIZE, kind));
}

/** Stub that returns the brightest pixel of a slice as every point, so that the result of `locate` is known. */
const brightest = {
  forward(x: Tensor): Tensor {
    const everyLevel = device.full([POINTS, 1, 1, 1], 1);
    return softArgmax2d(conv2d(x, everyLevel, {}), { temperature: 0.01 });
  },
} as unknown as Localizer;

describe('Localizer', () => {
  it.each([
    ['heatmap', [2, 6, 2]],
    ['regression', [2, 12]],
  ] as const)('gives six points per slice with a %s head', async (kind, shape) => {
    using localizer = network(kind);
    using centres = localizer.forward(device.full([2, 1, SIZE, SIZE], 0.5));
    expect(centres.shape).toEqual(shape);
    expect((await centres.data()).every(Number.isFinite)).toBe(true);
  });

  it('gives the centre of the map for a constant heatmap', async () => {
    using localizer = network('heatmap');
    const { stride } = localizer.encoder;
    localizer
      .state()
      .get('head.maps.weight')!
      .write(new Float32Array(POINTS * localizer.encoder.features));
    using centres = localizer.forward(device.full([1, 1, SIZE, SIZE], 0.5));
    const middle = ((SIZE / stride - 1) / 2) * stride;
    for (const value of await centres.data()) expect(value).toBeCloseTo(middle, 3);
  });

  it("uses torchvision's names under encoder. and its own names under head.", () => {
    using localizer = network('heatmap');
    const names = [...localizer.state().keys()];
    expect(names).toContain('encoder.layer3.0.downsample.0.weight');
    expect(names.filter((name) => !name.startsWith('encoder.'))).toEqual([
      'head.maps.weight',
      'head.maps.bias',
    ]);
  });
});

describe('SliceDataset', () => {
  const bank = tinyBank({ train: 4, validation: 0, test: 0 });
  const options = { rotation: 20, scale: 0.2, translation: 6 };

  it('transforms the centres together with the pixels', async () => {
    // A slice with one bright pixel, at L3/L4.
    const spot: Point = [40, 22];
    const [record] = bank.manifest.slices;
    const discs = [{ level: 'L3/L4' as const, centre: spot, box: null }];
    const pixels = new Uint16Array(SIZE * SIZE);
    pixels[spot[1] * SIZE + spot[0]] = 65535;
    using slices = new SliceDataset(device, {
      ...bank,
      manifest: { ...bank.manifest, slices: [{ ...record!, discs }] },
      slices: pixels,
    });
    for (let step = 0; step < 5; step++) {
      const rows = [...slices.of('train'), ...slices.of('train')];
      using views = slices.views(rows, { seed: 5, step }, options);
      using found = softArgmax2d(views, { temperature: 0.01 });
      const truth = slices.targets(rows, { seed: 5, step }, options);
      const values = await found.data();
      rows.forEach((_, row) => {
        const at = 2 * (row * POINTS + LEVELS.indexOf('L3/L4'));
        // Bilinear resampling distributes one pixel over its neighbours.
        expect(Math.abs(values[2 * row]! - truth.points[at]!)).toBeLessThan(0.6);
        expect(Math.abs(values[2 * row + 1]! - truth.points[at + 1]!)).toBeLessThan(0.6);
        expect([...truth.weights.subarray(at, at + 2)]).toEqual([1, 1]);
        expect([...truth.weights.subarray(2 * POINTS * row, 2 * POINTS * row + 2)]).toEqual([0, 0]);
      });
    }
  });

  it('places the anterior point 25 mm in front of L3/L4, also in a mirrored view', () => {
    using slices = new SliceDataset(device, bank);
    const records = slices.of('train').slice(0, 1);
    const offset = (flip: number) => {
      const { points } = slices.targets(records, { seed: 1, step: 1 }, { flip });
      return points[2 * ANTERIOR]! - points[2 * LEVELS.indexOf('L3/L4')]!;
    };
    // 25 mm at 1 mm per pixel.
    expect(offset(0)).toBeCloseTo(-25, 3);
    expect(offset(1)).toBeCloseTo(25, 3);
  });

  it('gives weight 0 to points outside the view', () => {
    using slices = new SliceDataset(device, bank);
    const far = { translation: 4 * SIZE };
    const { weights } = slices.targets(slices.of('train'), { seed: 1, step: 1 }, far);
    expect(weights).toContain(0);
  });
});

describe('locate', () => {
  const spot: Point = [30, 25];
  const pixels = new Uint16Array(SIZE * SIZE);
  pixels[spot[1] * SIZE + spot[0]] = 65535;
  const slice = { pixels, toImage: TO_IMAGE };
  const normalisation = { mean: 0, std: 1 };

  it('returns the mean over views in pixels of the original image', async () => {
    const slices = Array.from({ length: 5 }, () => slice);
    const found = await locate(device, brightest, slices, SIZE, normalisation);
    expect(found).toHaveLength(5);
    const [x, y] = applyAffine(TO_IMAGE, spot);
    for (const { points, spread } of found) {
      expect(points).toHaveLength(LEVELS.length);
      expect(Math.hypot(points[0]![0] - x, points[0]![1] - y)).toBeLessThan(1);
      expect(Math.max(...spread) * SIZE).toBeLessThan(1);
    }
  });

  it('has spread 0 for one view, and spreadP95 of at least one pixel', async () => {
    const found = await locate(device, brightest, [slice], SIZE, normalisation, 1);
    expect(meanSpread(found[0]!)).toBe(0);
    expect(spreadP95(found, SIZE)).toBe(1 / SIZE);
    expect(spreadP95([], SIZE)).toBe(1 / SIZE);
  });
});

describe('localization', () => {
  const bank = tinyBank({ train: 64, validation: 8, test: 8 });

  it('learns the disc centres, with the same bits in a second run', async () => {
    const errors: number[] = [];
    for (let attempt = 0; attempt < 2; attempt++) {
      const run = await tinyRun(device, tinyConfig());
      const { localizer, rows, best } = await trainLocalizer(run, bank);
      using slices = new SliceDataset(device, bank);
      const tested = slices.of('test');
      const found = await locateRecords(device, localizer, slices, tested);
      const { rmsePx, rmseMm, n } = summarise(found, tested);
      expect(n).toBe(5 * tested.length);
      expect(rmseMm).toBeCloseTo(0.5 * rmsePx!, 6);
      const first = rows[0]!.validationRmseMm!;
      expect(best!.validationRmseMm).toBeLessThan(0.6 * first);
      const located = await locate(device, localizer, slices.letterboxed(tested), SIZE, slices.normalisation);
      expect(meanSpread(located[0]!)).toBeGreaterThan(0);
      errors.push(rmsePx!);
      localizer.dispose();
    }
    expect(errors[0]).toBe(errors[1]);
  });

  it('gives an additional loss in joint mode', async () => {
    const run = await tinyRun(device, tinyConfig({ localization: { mode: 'joint', head: 'regression' } }));
    const encoder = new ResNet({ device, random: new RandomStream(1) }, { depth: 18, width: 4 });
    const joint = jointLocalization(run, bank, encoder);
    using loss = joint.loss(new StepKeys(1, 1, 0, 0));
    using repeated = joint.loss(new StepKeys(1, 1, 0, 0));
    expect(await loss.item()).toBeGreaterThan(0);
    expect(await loss.item()).toBeCloseTo(await repeated.item(), 5);
    expect(joint.weight).toBe(1);
    joint[Symbol.dispose]();
  });

  it('throws ERR_DATA_EMPTY for a split without annotated slices', async () => {
    const run = await tinyRun(device, tinyConfig());
    const none = tinyBank({ train: 8, validation: 0, test: 0 });
    await expect(trainLocalizer(run, none)).rejects.toMatchObject({ code: 'ERR_DATA_EMPTY' });
  });
});
