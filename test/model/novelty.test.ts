/** The novelty of crops: synthetic discs between vertebrae against noise and inverted crops. */
import { afterAll, describe, expect, it } from 'vitest';
import { openDevice } from '#spinegrad/engine/openDevice.js';
import type { StoredTensor } from '#spinegrad/io/safetensors.js';
import { newDiscEncoder } from '#spinegrad/model/fusion/encoder.js';
import { encoderInput, type Slots } from '#spinegrad/model/fusion/input.js';
import { type FusionName, fusionSpec } from '#spinegrad/model/fusion/spec.js';
import { fitGaussian, mahalanobis } from '#spinegrad/model/gaussian.js';
import { Grader } from '#spinegrad/model/grader.js';
import { featuresOf, Novelty } from '#spinegrad/model/novelty.js';
import { RandomStream } from '#spinegrad/random.js';

const device = await openDevice('cpu', { threads: 2 });
afterAll(() => device.close());

const SIZE = 32;
const area = SIZE * SIZE;

/** A grey disc between two brighter vertebrae, with a bright canal on the right; place, size and brightness vary. */
function crop(random: RandomStream): Uint16Array {
  const [x, y, tilt] = [random.uniform(13, 17), random.uniform(14, 18), random.uniform(-0.15, 0.15)];
  const [half, disc, bone] = [
    random.uniform(3, 5),
    random.uniform(10000, 30000),
    random.uniform(30000, 38000),
  ];
  return Uint16Array.from({ length: area }, (_, i) => {
    const [u, v] = [(i % SIZE) - x, Math.floor(i / SIZE) - y];
    const tissue = u > 9 ? 50000 : u < -11 ? 6000 : Math.abs(v + tilt * u) < half ? disc : bone;
    return Math.max(0, tissue + random.normal(0, 1500));
  });
}

const crops = (count: number, seed: number) => {
  const random = new RandomStream(seed);
  return Array.from({ length: count }, () => crop(random));
};

function graderOf(fusion: FusionName, series: readonly string[]) {
  const spec = fusionSpec(fusion, series, 0);
  const build = { device, random: new RandomStream(1) };
  const encoder = newDiscEncoder(build, { depth: 18, width: 8 }, spec);
  const grader = new Grader(build, encoder, { heads: [{ task: 'test', head: 'softmax', grades: 3 }] }).eval();
  const features = (images: readonly Uint16Array[], slots: readonly Slots[]) => {
    const bank = new Uint16Array(images.length * area);
    images.forEach((image, row) => {
      bank.set(image, row * area);
    });
    const normalisation = Array.from({ length: series.length }, () => ({ mean: 0.4, std: 0.2 }));
    return featuresOf(grader, [
      () =>
        encoderInput(
          device.tensor(bank, [images.length, SIZE, SIZE]),
          slots,
          spec,
          { seed: 0, step: 0 },
          fusion === 'none' ? normalisation.slice(0, 1) : normalisation,
        ),
    ]);
  };
  return { grader, features };
}

const single = (images: readonly Uint16Array[]): Slots[] => images.map((_, row) => [row]);

describe('mahalanobis', () => {
  it('is that of a covariance whose correlations are shrunk by 5 %', () => {
    const random = new RandomStream(2);
    const rows = Array.from({ length: 400 }, () => {
      const a = random.normal(0, 1);
      return [3 + 2 * a, 0.1 * (a + random.normal(0, 1))];
    });
    const gaussian = fitGaussian(rows);
    const [mx, my] = [0, 1].map((k) => rows.reduce((sum, row) => sum + row[k]!, 0) / rows.length);
    const moment = (value: (row: number[]) => number) =>
      rows.reduce((sum, row) => sum + value(row), 0) / rows.length;
    const [sx, sy] = [
      Math.sqrt(moment(([x]) => (x! - mx!) ** 2)),
      Math.sqrt(moment(([, y]) => (y! - my!) ** 2)),
    ];
    const r = (0.95 * moment(([x, y]) => (x! - mx!) * (y! - my!))) / (sx * sy);
    const [u, v] = [(5 - mx!) / sx, (0.2 - my!) / sy];
    const squared = (u * u - 2 * r * u * v + v * v) / (1 - r * r);
    expect(mahalanobis(gaussian, [5, 0.2])).toBeCloseTo(Math.sqrt(squared / 2), 5);
    expect(mahalanobis(gaussian, gaussian.mean)).toBe(0);
  });

  it('is about 1 for rows of the distribution, with more features than rows and with a constant one', () => {
    const random = new RandomStream(3);
    const rows = Array.from({ length: 30 }, () => [
      ...Array.from({ length: 40 }, () => random.normal(0, 1)),
      7,
    ]);
    const distances = rows.map((row) => mahalanobis(fitGaussian(rows), row));
    expect(Math.max(...distances)).toBeLessThan(2);
    expect(Math.min(...distances)).toBeGreaterThan(0.3);
  });

  it('needs a row', () => {
    expect(() => fitGaussian([])).toThrow(expect.objectContaining({ code: 'ERR_ARGUMENT' }));
  });
});

describe('Novelty', () => {
  it('is above the 99th percentile of other crops for noise and for inverted crops', async () => {
    const { grader, features } = graderOf('none', ['T2']);
    using _ = grader;
    const before = device.memory().tensors;
    const scores = async (novelty: Novelty, images: readonly Uint16Array[]) =>
      (await features(images, single(images))).map((disc) => novelty.scoreOf(disc));
    const train = crops(150, 4);
    const novelty = Novelty.fit(await features(train, single(train)));
    const validation = (await scores(novelty, crops(100, 5))).sort((a, b) => a - b);
    const threshold = validation[98]!;
    const other = crops(50, 6);
    const random = new RandomStream(7);
    const noise = other.map(() => Uint16Array.from({ length: area }, () => random.uniform(0, 65535)));
    const inverted = other.map((image) => image.map((value) => 65535 - value));
    const above = (values: readonly number[]) => values.filter((score) => score > threshold).length;
    expect(above(await scores(novelty, other))).toBeLessThanOrEqual(3);
    expect(above(await scores(novelty, noise))).toBe(50);
    expect(above(await scores(novelty, inverted))).toBe(50);
    expect(validation[50]).toBeGreaterThan(0.7);
    expect(validation[50]).toBeLessThan(1.5);
    expect(device.memory().tensors).toBe(before);
  });

  it('scores each series by its own encoder and leaves missing crops out', async () => {
    const { grader, features } = graderOf('attention', ['T2', 'T1']);
    using _ = grader;
    const images = [...crops(40, 8), ...crops(40, 9).map((image) => image.map((value) => 65535 - value))];
    const slots = Array.from({ length: 40 }, (_, disc) => [disc, disc % 4 === 0 ? null : 40 + disc]);
    const discs = await features(images, slots);
    expect(discs.map((disc) => disc.map(({ series }) => series))).toEqual(
      slots.map(([, second]) => (second === null ? [0] : [0, 1])),
    );
    const novelty = Novelty.fit(discs);
    const swapped = await features(images, [[41, 1]]);
    expect(novelty.scoreOf(swapped[0]!)).toBeGreaterThan(2 * novelty.scoreOf(discs[1]!));
  });

  it('gives the same scores after it was stored', async () => {
    const { grader, features } = graderOf('channels', ['T2', 'T1']);
    using _ = grader;
    const images = crops(20, 10);
    const discs = await features(
      images,
      images.map((_, row) => [row, (row + 1) % 20]),
    );
    const novelty = Novelty.fit(discs);
    const stored = new Map(
      [...novelty.state()].map(([name, { shape, data }]): [string, StoredTensor] => [
        name,
        { dtype: 'F32', shape: [...shape], data: data as Float32Array },
      ]),
    );
    const loaded = Novelty.load(stored, 'file');
    expect(discs.map((disc) => loaded.scoreOf(disc))).toEqual(discs.map((disc) => novelty.scoreOf(disc)));
    stored.delete('series0.factor');
    expect(() => Novelty.load(stored, 'file')).toThrow(
      expect.objectContaining({ code: 'ERR_WEIGHTS', message: expect.stringContaining("'series0.factor'") }),
    );
  });
});
