import { afterAll, describe, expect, it } from 'vitest';
import { DISC_LEVELS, type Point } from '#spinegrad/anatomy.js';
import { openDevice } from '#spinegrad/engine/openDevice.js';
import { discErrors, summariseLocalization } from '#spinegrad/evaluation/localization.js';
import { buildLocalizer, localizerArchitecture, localizerSchema } from '#spinegrad/model/build.js';
import { type Localizer, MAPS } from '#spinegrad/model/localizer.js';
import { valuesOf } from '#spinegrad/nn/values.js';
import { RandomStream } from '#spinegrad/random.js';
import { evaluatedSlice, locateRecords, newLocalizer, trainLocalizer } from '#spinegrad/training/localize.js';
import { SliceDataset } from '#spinegrad/training/sliceDataset.js';
import { SIZE, tinyBank, tinyConfig, tinyRun } from '../predict/tiny.js';

const device = await openDevice('cpu', { threads: 2 });
afterAll(() => device.close());

const network = (localization: Record<string, unknown> = {}): Localizer =>
  newLocalizer({ config: tinyConfig({ localization }), device });

describe('a localizer', () => {
  it.each([
    ['unet', 1, [2, 3, SIZE, SIZE]],
    ['unet', 2, [2, 3, SIZE / 2, SIZE / 2]],
    ['regression', 1, [2, 10]],
  ] as const)('%s with output stride %i gives [%o]', async (kind, outputStride, shape) => {
    using localizer = network({ network: kind, unet: { outputStride } });
    using output = localizer.forward(device.full([2, 1, SIZE, SIZE], 0.5));
    expect(output.shape).toEqual(shape);
    expect((await output.data()).every(Number.isFinite)).toBe(true);
  });

  it('gives small probabilities before training', async () => {
    using localizer = network();
    using logits = localizer.forward(device.full([1, 1, SIZE, SIZE], 0.5));
    for (const logit of await logits.data()) expect(logit).toBeLessThan(-2);
  });

  it.each(['unet', 'regression'])('%s is built again from its architecture and weights', async (kind) => {
    using localizer = network({ network: kind });
    const architecture = localizerSchema.parse(JSON.parse(JSON.stringify(localizerArchitecture(localizer))));
    using copy = buildLocalizer(architecture, { device, random: new RandomStream(9) });
    copy.load(await valuesOf(localizer.state()), 'copy').eval();
    localizer.eval();
    using x = device.full([1, 1, SIZE, SIZE], 0.5);
    using expected = localizer.forward(x);
    using found = copy.forward(x);
    expect(await found.data()).toEqual(await expected.data());
  });
});

describe('SliceDataset', () => {
  // One slice with one bright pixel at L5/S1.
  const spot: Point = [40, 22];
  const bank = tinyBank({ train: 1, validation: 0, test: 0 });
  const record = {
    ...bank.manifest.slices[0]!,
    discs: [{ level: 'L5/S1', centre: spot, box: null }] as const,
  };
  const pixels = new Uint16Array(SIZE * SIZE);
  pixels[spot[1] * SIZE + spot[0]] = 65535;
  const slices = new SliceDataset(device, {
    ...bank,
    manifest: { ...bank.manifest, slices: [{ ...record, discs: [...record.discs] }] },
    slices: pixels,
  });
  afterAll(() => slices.dispose());
  const options = { rotation: 20, scale: 0.2, translation: 6, flip: 0.5 };

  const argmax = (values: Float32Array): number => values.indexOf(Math.max(...values));

  it.each([1, 2])('moves the maps with the pixels, stride %i', async (stride) => {
    const side = SIZE / stride;
    for (let step = 0; step < 5; step++) {
      const rows = [...slices.of('train'), ...slices.of('train')];
      const keys = { seed: 5, step };
      using views = slices.views(rows, keys, options);
      const maps = slices.heatmaps(rows, keys, options, stride, {
        sigma: 0.03,
        centreWeight: 5,
        sacralWeight: 1,
      });
      expect(maps.targets.shape).toEqual([2, MAPS.length, side, side]);
      const [found, targets] = [await views.data(), await maps.targets.data()];
      rows.forEach((_, row) => {
        const brightest = argmax(found.subarray(row * SIZE * SIZE, (row + 1) * SIZE * SIZE));
        const first = (row * MAPS.length + MAPS.indexOf('sacral')) * side * side;
        const peak = argmax(targets.subarray(first, first + side * side));
        const [x, y] = [peak % side, Math.floor(peak / side)].map((u) => stride * u + (stride - 1) / 2);
        // Both are rounded to pixels.
        expect(Math.abs((brightest % SIZE) - x!)).toBeLessThanOrEqual(stride);
        expect(Math.abs(Math.floor(brightest / SIZE) - y!)).toBeLessThanOrEqual(stride);
      });
      maps.targets.dispose();
      maps.weights.dispose();
    }
  });

  it('moves the coordinates with the pixels', async () => {
    for (let step = 0; step < 5; step++) {
      const rows = slices.of('train');
      using views = slices.views(rows, { seed: 5, step }, options);
      const { targets, weights } = slices.coordinates(rows, { seed: 5, step }, options);
      const [x, y] = (await targets.data()).subarray(8);
      const brightest = argmax(await views.data());
      expect(Math.hypot((brightest % SIZE) - x!, Math.floor(brightest / SIZE) - y!)).toBeLessThan(1);
      expect([...(await weights.data())]).toEqual([0, 0, 0, 0, 0, 0, 0, 0, 1, 1]);
      targets.dispose();
      weights.dispose();
    }
  });
});

describe('localization', () => {
  const bank = tinyBank({ train: 64, validation: 8, test: 8 });

  it('learns the discs and their levels, with the same bits in a second run', async () => {
    const errors: number[] = [];
    for (let attempt = 0; attempt < 2; attempt++) {
      const run = await tinyRun(device, tinyConfig());
      const { localizer, rows, best } = await trainLocalizer(run, bank);
      using slices = new SliceDataset(device, bank);
      const tested = slices.of('test');
      const found = await locateRecords(device, localizer, slices, tested);
      const evaluated = found.map((located, i) => evaluatedSlice(tested[i]!, located));
      const { rmsePx, rmseMm, n } = summariseLocalization(evaluated.flatMap(discErrors));
      expect(n).toBe(5 * tested.length);
      expect(rmseMm).toBeLessThan(5);
      expect(best!.validationErrorMm).toBe(
        Math.min(...rows.map(({ validationErrorMm }) => validationErrorMm)),
      );
      expect(best!.validationWithin5Mm).toBeGreaterThan(0.8);
      errors.push(rmsePx!);
      localizer.dispose();
    }
    expect(errors[0]).toBe(errors[1]);
  });

  it('counts a disc that is not found as 10 mm', async () => {
    const run = await tinyRun(device, tinyConfig({ localization: { epochs: 1, learningRate: 1e-9 } }));
    const { best, localizer } = await trainLocalizer(run, bank);
    localizer.dispose();
    expect(best!.validationErrorMm).toBeGreaterThan(9);
    expect(best!.validationWithin5Mm).toBeLessThan(0.1);
  });

  it('trains the baseline, coordinate regression', async () => {
    const run = await tinyRun(device, tinyConfig({ localization: { network: 'regression', epochs: 4 } }));
    const { localizer, rows } = await trainLocalizer(run, bank);
    expect(rows.at(-1)!.trainLoss).toBeLessThan(0.5 * rows[0]!.trainLoss);
    using slices = new SliceDataset(device, bank);
    const [located] = await locateRecords(device, localizer, slices, slices.of('test'));
    expect(located!.discs.map(({ level }) => level)).toEqual(DISC_LEVELS.slice(4));
    localizer.dispose();
  });

  it('throws ERR_DATA_EMPTY for a split without annotated slices', async () => {
    const run = await tinyRun(device, tinyConfig());
    const none = tinyBank({ train: 8, validation: 0, test: 0 });
    await expect(trainLocalizer(run, none)).rejects.toMatchObject({ code: 'ERR_DATA_EMPTY' });
  });
});
