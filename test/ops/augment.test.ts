import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Device } from '#spinegrad/engine/device.js';
import { openDevice } from '#spinegrad/engine/openDevice.js';
import { type AugmentOptions, augment, augmentGeometry } from '#spinegrad/engine/ops/augment.js';
import { DEVICE } from '../device.js';
import { referenceView, viewParameters } from './augment-reference.js';
import { uniforms } from './descriptor.js';

const EVERYTHING: AugmentOptions = {
  rotation: 20,
  scale: 0.25,
  shear: 0.1,
  translation: 3,
  flip: 0.5,
  upend: 0.5,
  blur: 1.5,
  invert: 0.5,
  tone: 0.3,
  gamma: 0.4,
  contrast: 0.3,
  brightness: 0.1,
  noise: 0.08,
  cutout: 0.5,
  mean: 0.4,
  std: 0.25,
};

describe('augment', () => {
  let device: Device;
  beforeAll(async () => {
    device = await openDevice(DEVICE);
  });
  afterAll(() => device.close());

  /** Images of smooth waves, or of random pixels, with values from 0 to 65535. */
  function bankOf(images: number, height: number, width: number, smooth = true): Uint16Array {
    const next = uniforms(images * height + width);
    const [a, b, c] = [next(), next(), next()];
    return Uint16Array.from({ length: images * height * width }, (_, i) => {
      const [x, y] = [i % width, Math.floor(i / width)];
      return smooth ? 32767 * (1 + Math.sin(a * x + b * y + 6 * c) * Math.cos(0.2 * y)) : next() * 65536;
    });
  }

  async function views(
    values: Uint16Array,
    [images, height, width]: [number, number, number],
    indices: number[],
    options: AugmentOptions,
    keys = { seed: 11, step: 5 },
    target = device,
  ): Promise<Float32Array> {
    using bank = target.tensor(values, [images, height, width]);
    using rows = target.tensor(Int32Array.from(indices));
    using y = augment(bank, rows, keys, options);
    return await y.data();
  }

  const image = (values: Uint16Array, height: number, width: number, index: number) => ({
    height,
    width,
    values: values.subarray(index * height * width, (index + 1) * height * width),
  });

  it.each([
    [9, 9, undefined],
    [7, 12, undefined],
    [1, 1, undefined],
    [11, 10, [7, 6]],
    [112, 112, 96],
  ] as const)(
    'without strengths, returns exactly the central crop: %i x %i to %j',
    async (height, width, outSize) => {
      const values = bankOf(3, height, width, false);
      const options = { outSize: outSize as AugmentOptions['outSize'], mean: 0.3, std: 0.7 };
      const found = await views(values, [3, height, width], [2, 0, 2], options);
      const [h, w] = typeof outSize === 'number' ? [outSize, outSize] : (outSize ?? [height, width]);
      const expected = [2, 0, 2].flatMap((index) => {
        const { values: pixels } = image(values, height, width, index);
        return Array.from({ length: h * w }, (_, i) => {
          const row = Math.floor(i / w) + (height - h) / 2;
          const column = (i % w) + (width - w) / 2;
          const intensity = Math.fround(pixels[row * width + column]! / 65535);
          return Math.fround(Math.fround(intensity - Math.fround(0.3)) / Math.fround(0.7));
        });
      });
      expect(found).toEqual(Float32Array.from(expected));
    },
  );

  it('with flip probability 1, returns exactly the mirror image', async () => {
    const values = bankOf(1, 5, 8, false);
    const [plain, flipped] = [
      await views(values, [1, 5, 8], [0], {}),
      await views(values, [1, 5, 8], [0], { flip: 1 }),
    ];
    expect(flipped).toEqual(plain.map((_, i) => plain[Math.floor(i / 8) * 8 + 7 - (i % 8)]!));
  });

  it('with upend probability 1, returns exactly the image upside down', async () => {
    const values = bankOf(1, 5, 8, false);
    const [plain, flipped] = [
      await views(values, [1, 5, 8], [0], {}),
      await views(values, [1, 5, 8], [0], { upend: 1 }),
    ];
    expect(flipped).toEqual(plain.map((_, i) => plain[(4 - Math.floor(i / 8)) * 8 + (i % 8)]!));
  });

  it('with inversion probability 1, returns 1 - x', async () => {
    const values = bankOf(1, 5, 8, false);
    const [plain, inverted] = [
      await views(values, [1, 5, 8], [0], {}),
      await views(values, [1, 5, 8], [0], { invert: 1 }),
    ];
    expect(inverted).toEqual(plain.map((x) => 1 - x));
  });

  it('keeps the tone curve in the range of intensities', async () => {
    const values = Uint16Array.from({ length: 64 * 16 }, (_, i) => (i % 64) * 1040);
    const found = await views(values, [1, 16, 64], Array(8).fill(0), { tone: 1 });
    expect(Math.min(...found)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...found)).toBeLessThanOrEqual(1 + 1e-6);
  });

  const single: [string, AugmentOptions][] = [
    ['rotation', { rotation: 40 }],
    ['scale', { scale: 1 }],
    ['shear', { shear: 0.5 }],
    ['translation', { translation: 4 }],
    ['pitch', { pitch: 1.75, outSize: [6, 8] }],
    ['blur', { blur: 2.5 }],
    ['tone', { tone: 1 }],
    ['inversion and tone', { invert: 0.5, tone: 0.3 }],
    ['gamma', { gamma: 1 }],
    ['contrast', { contrast: 1 }],
    ['brightness', { brightness: 0.4 }],
    ['noise', { noise: 0.3 }],
    ['gamma and noise, more pixels than a block has threads', { gamma: 1, noise: 0.3, outSize: [24, 25] }],
    ['blur and noise, more pixels than a block has threads', { blur: 2, noise: 0.3, outSize: [24, 25] }],
    ['cutout with the mean', { cutout: 1 }],
    ['cutout with zero', { cutout: 1, cutoutSize: 1, cutoutFill: 'zero' }],
    ['everything', EVERYTHING],
    ['everything, more pixels than one noise group', { ...EVERYTHING, outSize: [29, 31] }],
  ];

  // Coordinates round to 2^-24 of 20 px, which changes a value by at most the image's slope. Gamma, blur and noise add
  // a few ulp. The total is below 2e-5 of the range before the division by std = 0.25.
  it.each(single)('agrees with the float64 reference: %s', async (_, options) => {
    const [height, width] = [13, 17];
    const values = bankOf(2, height, width);
    const indices = [0, 1, 1, 0];
    const keys = { seed: 2 ** 32 - 5, step: 77 };
    const found = await views(values, [2, height, width], indices, options, keys);
    const expected = indices.flatMap((index, row) => [
      ...referenceView(image(values, height, width, index), keys, row, options),
    ]);
    expect(found.length).toBe(expected.length);
    const worst = expected.reduce((max, value, i) => Math.max(max, Math.abs(value - found[i]!)), 0);
    expect(worst).toBeLessThan(1e-4);
  });

  it('returns the same bits with one and two threads', async () => {
    const values = bankOf(3, 20, 20);
    using one = await openDevice('cpu', { threads: 1 });
    using two = await openDevice('cpu', { threads: 2 });
    const run = (target: Device) =>
      views(values, [3, 20, 20], [0, 1, 2, 2, 1], EVERYTHING, { seed: 1, step: 2 }, target);
    expect(await run(one)).toEqual(await run(two));
  });

  it('draws a different view per row, step and seed, independent of the other rows', async () => {
    const values = bankOf(2, 12, 12);
    const run = (indices: number[], seed: number, step: number) =>
      views(values, [2, 12, 12], indices, EVERYTHING, { seed, step });
    const size = 144;
    const both = await run([0, 0], 1, 1);
    const [first, second] = [both.slice(0, size), both.slice(size)];
    expect(first).not.toEqual(second);
    expect(await run([0], 1, 2)).not.toEqual(first);
    expect(await run([0], 2, 1)).not.toEqual(first);
    expect((await run([1, 0, 1], 1, 1)).slice(size, 2 * size)).toEqual(second);
  });

  it('draws parameters over their full ranges', () => {
    const rows = Array.from({ length: 4000 }, (_, row) =>
      viewParameters({ seed: 3, step: 0 }, row, EVERYTHING, [96, 96]),
    );
    const average = (values: number[]): number =>
      values.reduce((sum, value) => sum + value, 0) / values.length;
    const rotations = rows.map(({ rotation }) => rotation);
    expect(Math.max(...rotations.map(Math.abs))).toBeGreaterThan(19.9);
    // The mean of 4000 uniform numbers in [-20, 20] has the standard deviation 20 / sqrt(3 * 4000) = 0.18.
    expect(Math.abs(average(rotations))).toBeLessThan(0.73);
    const flips = average(rows.map(({ flip }) => Number(flip)));
    expect(Math.abs(flips - 0.5)).toBeLessThan(4 * Math.sqrt(0.25 / 4000));
    expect(Math.abs(average(rows.map(({ scale }) => Math.log(scale))))).toBeLessThan(0.0082);
  });

  it.each([0, 0.2])(
    'adds noise with the moments of the Rice distribution to a signal of %d',
    async (signal) => {
      const side = 512;
      const values = new Uint16Array(side * side).fill(Math.round(signal * 65535));
      const keys = { seed: 4, step: 0 };
      const found = await views(values, [1, side, side], [0], { noise: 0.5 }, keys);
      const { noise } = viewParameters(keys, 0, { noise: 0.5 }, [side, side]);
      const n = found.length;
      const square = found.reduce((sum, value) => sum + value * value, 0) / n;
      const fourth = found.reduce((sum, value) => sum + value ** 4, 0) / n;
      const [a2, s2] = [(values[0]! / 65535) ** 2, noise * noise];
      // E x^2 = A^2 + 2 s^2; E x^4 = A^4 + 8 A^2 s^2 + 8 s^4. Var x^2 = 4 A^2 s^2 + 4 s^4.
      expect(Math.abs(square - (a2 + 2 * s2))).toBeLessThan(4 * Math.sqrt((4 * a2 * s2 + 4 * s2 * s2) / n));
      expect(fourth / (a2 * a2 + 8 * a2 * s2 + 8 * s2 * s2)).toBeCloseTo(1, 1);
      const neighbours =
        found.reduce((sum, value, i) => (i ? sum + value * found[i - 1]! : sum), 0) / (n - 1);
      const mean = found.reduce((sum, value) => sum + value, 0) / n;
      // The noise of neighbouring pixels is uncorrelated.
      expect(Math.abs(neighbours - mean * mean) / (square - mean * mean)).toBeLessThan(4 / Math.sqrt(n));
    },
  );

  it('augmentGeometry maps view pixels to bank pixels', async () => {
    // Two ramps, along x and along y: each value of a view is a coordinate in the bank.
    const side = 33;
    const ramp = (along: (i: number) => number): number[] =>
      Array.from({ length: side * side }, (_, i) => 1000 * along(i));
    const values = Uint16Array.from([...ramp((i) => i % side), ...ramp((i) => Math.floor(i / side))]);
    const options = {
      rotation: 25,
      scale: 0.2,
      shear: 0.1,
      translation: 2,
      flip: 0.5,
      upend: 0.5,
      outSize: 17,
      std: 1000 / 65535,
    };
    const keys = { seed: 8, step: 3 };
    for (const row of [0, 1, 2, 3]) {
      const indices = [0, 0, 0, 0, 1];
      const x = (await views(values, [2, side, side], indices, options, keys)).slice(
        row * 289,
        (row + 1) * 289,
      );
      const y = (await views(values, [2, side, side], [1, 1, 1, 1], options, keys)).slice(
        row * 289,
        (row + 1) * 289,
      );
      const [a, b, c, d, e, f] = augmentGeometry([side, side], row, keys, options);
      for (const [u, v] of [
        [8, 8],
        [4, 11],
        [12, 5],
      ] as const) {
        expect(x[v * 17 + u]).toBeCloseTo(a * u + b * v + c, 3);
        expect(y[v * 17 + u]).toBeCloseTo(d * u + e * v + f, 3);
      }
    }
  });

  it('leaks no tensor', async () => {
    using isolated = await openDevice(DEVICE);
    await views(bankOf(1, 8, 8), [1, 8, 8], [0], EVERYTHING, undefined, isolated);
    expect(isolated.memory().tensors).toBe(0);
  });

  describe('throws', () => {
    const keys = { seed: 0, step: 0 };
    it.each<
      [string, string, (bank: ReturnType<Device['tensor']>, rows: ReturnType<Device['tensor']>) => unknown]
    >([
      ['a float32 bank', 'ERR_DTYPE', (_, rows) => augment(device.zeros([2, 4, 4]), rows, keys)],
      ['indices that are not int32', 'ERR_DTYPE', (bank) => augment(bank, device.zeros([2]), keys)],
      ['no keys', 'ERR_ARGUMENT', (bank, rows) => augment(bank, rows, undefined as never)],
      ['a negative strength', 'ERR_ARGUMENT', (bank, rows) => augment(bank, rows, keys, { blur: -1 })],
      ['NaN', 'ERR_ARGUMENT', (bank, rows) => augment(bank, rows, keys, { rotation: Number.NaN })],
      ['std 0', 'ERR_ARGUMENT', (bank, rows) => augment(bank, rows, keys, { std: 0 })],
      [
        'an unknown fill',
        'ERR_ARGUMENT',
        (bank, rows) => augment(bank, rows, keys, { cutoutFill: 'x' as 'mean' }),
      ],
      ['no size', 'ERR_ARGUMENT', (bank, rows) => augment(bank, rows, keys, { outSize: [0, 3] })],
    ])('for %s: %s', (_, code, call) => {
      using bank = device.tensor(new Uint16Array(32), [2, 4, 4]);
      using rows = device.tensor(Int32Array.of(0, 1));
      expect(() => call(bank, rows)).toThrow(expect.objectContaining({ name: 'SpinegradError', code }));
    });

    it('ERR_INDEX at the read for an index out of range', async () => {
      const pending = views(bankOf(2, 4, 4), [2, 4, 4], [0, 2], {});
      await expect(pending).rejects.toMatchObject({
        code: 'ERR_INDEX',
        message: expect.stringContaining('0 to 1'),
      });
    });
  });
});
