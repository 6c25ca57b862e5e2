import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Affine } from '#spinegrad/anatomy.js';
import { applyAffine, invertAffine } from '#spinegrad/data/affine.js';
import { resample } from '#spinegrad/data/resample.js';
import { cropRoi, letterboxSlice, pointInPatient } from '#spinegrad/data/roi.js';
import { reflectSlice, type SourceSlice } from '#spinegrad/data/series.js';
import type { Geometry, Vector3 } from '#spinegrad/dicom/types.js';
import { intensityWindow } from '#spinegrad/dicom/window.js';

const AXES: Record<string, Vector3> = {
  '+y': [0, 1, 0],
  '-y': [0, -1, 0],
  '+z': [0, 0, 1],
  '-z': [0, 0, -1],
};
const ORIENTATIONS = ['+y -z', '-y -z', '+y +z', '-y +z', '-z +y', '+z +y', '-z -y', '+z -y'];

function geometry(orientation: string): Geometry {
  const [row, column] = orientation.split(' ') as [string, string];
  return { rowDirection: AXES[row]!, columnDirection: AXES[column]!, position: [3, 20, -40] };
}

/** A slice whose pixel values are a linear function of the patient coordinates. */
function slice(
  orientation: string | null,
  rows: number,
  columns: number,
  spacing: [number, number],
): SourceSlice {
  const empty: SourceSlice = {
    path: 'test',
    instanceNumber: 1,
    rows,
    columns,
    pixels: new Float32Array(rows * columns),
    window: { low: 0, high: 1 },
    pixelSpacing: spacing,
    geometry: orientation === null ? null : geometry(orientation),
  };
  const pixels = Float32Array.from(empty.pixels, (_, i) => {
    const [, y, z] = pointInPatient(empty, [i % columns, Math.floor(i / columns)]) ?? [0, i % columns, 0];
    return 1000 + 3 * y - 2 * z;
  });
  return { ...empty, pixels, window: intensityWindow(pixels) };
}

describe('affine maps', () => {
  test('applyAffine of the inverse restores a point', () => {
    const number = fc.double({ min: -50, max: 50, noNaN: true });
    fc.assert(
      fc.property(fc.tuple(number, number, number, number, number, number), number, number, (map, u, v) => {
        fc.pre(Math.abs(map[0] * map[4] - map[1] * map[3]) > 1e-2);
        const [x, y] = applyAffine(invertAffine(map), applyAffine(map, [u, v]));
        expect(x).toBeCloseTo(u, 4);
        expect(y).toBeCloseTo(v, 4);
      }),
    );
  });

  test('invertAffine throws ERR_AFFINE for a singular map', () => {
    expect(() => invertAffine([1, 2, 0, 2, 4, 0])).toThrow(expect.objectContaining({ code: 'ERR_AFFINE' }));
  });
});

describe('cropRoi and letterboxSlice', () => {
  test.each(ORIENTATIONS)(
    'rows %s: a crop has anterior left, superior up and distances in mm',
    (orientation) => {
      const source = slice(orientation, 90, 120, [0.9, 0.6]);
      const crop = cropRoi(source, [61.25, 43.5], { size: 32, mode: 'mm', extentMm: 24 });
      const patientPoint = (u: number, v: number) =>
        pointInPatient(source, applyAffine(crop.toImage, [u, v]))!;
      const [middle, right, down] = [
        patientPoint(15.5, 15.5),
        patientPoint(16.5, 15.5),
        patientPoint(15.5, 16.5),
      ];
      expect(applyAffine(crop.toImage, [15.5, 15.5])).toEqual([61.25, 43.5]);
      expect(right[1] - middle[1]).toBeCloseTo(0.75);
      expect(down[2] - middle[2]).toBeCloseTo(-0.75);
      const { low, high } = crop.window;
      for (const [u, v] of [
        [16, 15],
        [5, 20],
        [29, 9],
      ] as const) {
        const [, y, z] = patientPoint(u, v);
        const value = low + (crop.pixels[v * 32 + u]! / 65535) * (high - low);
        expect(Math.abs(value - (1000 + 3 * y - 2 * z))).toBeLessThan(0.15);
      }
    },
  );

  test('a crop in mode pixels has the pixels of the source', () => {
    const source = slice('-z +y', 40, 50, [0.5, 0.7]);
    const crop = cropRoi(source, [24.4, 21.6], { size: 8, mode: 'pixels', extentMm: 60 });
    const { low, high } = crop.window;
    for (let v = 0; v < 8; v++) {
      for (let u = 0; u < 8; u++) {
        const [x, y] = applyAffine(crop.toImage, [u, v]);
        expect([x, y].every(Number.isInteger)).toBe(true);
        const scaled = (source.pixels[y * 50 + x]! - low) / (high - low);
        const expected = Math.round(Math.min(1, Math.max(0, scaled)) * 65535);
        expect(Math.abs(crop.pixels[v * 8 + u]! - expected)).toBeLessThanOrEqual(1);
      }
    }
    expect(applyAffine(crop.toImage, [4, 4])).toEqual([24, 22]);
  });

  test('outside the image, a crop repeats the nearest pixel', () => {
    const source = slice(null, 20, 20, [1, 1]);
    const crop = cropRoi(source, [0, 10], { size: 16, mode: 'pixels', extentMm: 0 });
    expect(crop.pixels.slice(0, 8)).toEqual(new Uint16Array(8).fill(crop.pixels[0]!));
  });

  test('cropRoi throws if the centre is outside the image or the spacing is missing', () => {
    const source = slice(null, 20, 30, [1, 1]);
    for (const centre of [
      [30, 5],
      [5, 20],
      [-1, 5],
      [Number.NaN, 5],
    ] as const) {
      expect(() => cropRoi(source, centre, { size: 8, mode: 'mm', extentMm: 8 })).toThrow(
        expect.objectContaining({ code: 'ERR_COORDINATE_OUTSIDE' }),
      );
    }
    expect(() =>
      cropRoi({ ...source, pixelSpacing: null }, [5, 5], { size: 8, mode: 'mm', extentMm: 8 }),
    ).toThrow(expect.objectContaining({ code: 'ERR_PIXEL_SPACING' }));
  });

  test.each(ORIENTATIONS)(
    'rows %s: a letterboxed slice contains the image, with isotropic spacing',
    (orientation) => {
      const source = slice(orientation, 60, 90, [1.2, 0.5]);
      const { toImage, pixels } = letterboxSlice(source, 36);
      const corners = [
        [-0.5, -0.5],
        [89.5, 59.5],
      ] as const;
      const found = corners.flatMap((corner) => applyAffine(invertAffine(toImage), corner));
      expect(Math.min(...found)).toBeCloseTo(-0.5);
      expect(Math.max(...found)).toBeCloseTo(35.5);
      expect(pixels[0] === 0 || pixels[35] === 0).toBe(true);
      const a = pointInPatient(source, applyAffine(toImage, [3, 4]))!;
      const b = pointInPatient(source, applyAffine(toImage, [4, 5]))!;
      expect(b[1] - a[1]).toBeCloseTo(2);
      expect(b[2] - a[2]).toBeCloseTo(-2);
    },
  );
});

test.each([...ORIENTATIONS, null])('rows %s: reflectSlice mirrors the letterboxed slice', (orientation) => {
  const source = slice(orientation, 60, 90, [1.2, 0.5]);
  const [found, mirrored] = [
    letterboxSlice(source, 30),
    letterboxSlice(reflectSlice(source, 'anterior'), 30),
  ];
  for (let i = 0; i < 900; i++) {
    expect(Math.abs(mirrored.pixels[i]! - found.pixels[i - (i % 30) + 29 - (i % 30)]!)).toBeLessThanOrEqual(
      1,
    );
  }
});

/** The definition of `resample`, one pixel at a time. */
function referenceResample(
  pixels: Uint16Array,
  [rows, columns]: readonly [number, number],
  toImage: Affine,
  size: number,
  border: 'replicate' | 'low',
): number[] {
  const [a, b, c, d, e, f] = toImage;
  const low = 100;
  const weighted = (
    step: number,
    centre: number,
    length: number,
    valueAt: (position: number) => number,
  ): number => {
    const radius = Math.max(1, Math.abs(step));
    const taps = new Map<number, number>();
    let sum = 0;
    for (let x = Math.ceil(centre - radius); x <= Math.floor(centre + radius); x++) {
      const weight = 1 - Math.abs(x - centre) / radius;
      const nearest = Math.min(length - 1, Math.max(0, x));
      sum += weight;
      if (border === 'replicate' || x === nearest) taps.set(nearest, (taps.get(nearest) ?? 0) + weight);
    }
    return [...taps].reduce((total, [position, weight]) => total + (weight / sum) * valueAt(position), 0);
  };
  return Array.from({ length: size * size }, (_, i) => {
    const [u, v] = [i % size, Math.floor(i / size)];
    const [along, across] = a === 0 ? [v, u] : [u, v];
    const rowValue = (y: number) =>
      Math.fround(weighted(a + b, c + (a + b) * along, columns, (x) => pixels[y * columns + x]! - low));
    const value = weighted(d + e, f + (d + e) * across, rows, rowValue) * (65535 / 900);
    return Math.min(65535, Math.max(0, Math.round(value)));
  });
}

describe('resampling', () => {
  test('equals its definition, bit for bit', () => {
    const step = fc
      .tuple(fc.constantFrom(-1, 1), fc.double({ min: 0.3, max: 4, noNaN: true }))
      .map(([sign, length]) => sign * length);
    const start = fc.double({ min: -5, max: 15, noNaN: true });
    const side = fc.integer({ min: 1, max: 13 });
    fc.assert(
      fc.property(
        fc.tuple(side, side, side),
        fc.tuple(step, start, step, start),
        fc.boolean(),
        fc.constantFrom('replicate' as const, 'low' as const),
        ([rows, columns, size], [a, c, e, f], transposed, border) => {
          const pixels = Uint16Array.from({ length: rows * columns }, (_, i) => (i * 40503) % 1201);
          const toImage: Affine = transposed ? [0, a, c, e, 0, f] : [a, 0, c, 0, e, f];
          const found = resample({ pixels, rows, columns }, toImage, size, { low: 100, high: 1000 }, border);
          expect([...found]).toEqual(referenceResample(pixels, [rows, columns], toImage, size, border));
        },
      ),
      // With a radius slightly below 3, rounding gives 7 taps.
      { examples: [[[36, 36, 8], [3 - 4e-16, 2, 3 - 4e-16, 2], false, 'replicate']] },
    );
  });

  test('antialiases: a reduced checkerboard is grey', () => {
    const pixels = Float32Array.from({ length: 64 * 64 }, (_, i) => ((i % 64) + Math.floor(i / 64)) % 2);
    const toImage: Affine = [8, 0, 3.5, 0, 8, 3.5];
    const small = resample({ pixels, rows: 64, columns: 64 }, toImage, 8, { low: 0, high: 1 }, 'replicate');
    for (const value of small) expect(Math.abs(value / 65535 - 0.5)).toBeLessThan(0.02);
  });

  test('intensityWindow ignores outliers and accepts constant and empty images', () => {
    const pixels = Float32Array.from({ length: 1000 }, (_, i) => i % 100);
    pixels[17] = 1e9;
    pixels[400] = Number.NaN;
    expect(intensityWindow(pixels)).toEqual({ low: 0, high: 99 });
    expect(intensityWindow(new Float32Array(9).fill(7))).toEqual({ low: 7, high: 8 });
    expect(intensityWindow(new Float32Array(0))).toEqual({ low: 0, high: 1 });
  });

  test('intensityWindow equals the percentiles of sorted values', () => {
    fc.assert(
      fc.property(
        fc.float32Array({ noNaN: true, noDefaultInfinity: true, minLength: 1, maxLength: 900 }),
        (pixels) => {
          const sorted = pixels.slice().sort();
          const { low, high } = intensityWindow(pixels);
          const rank = (p: number) => sorted[Math.round(p * (sorted.length - 1))]! + 0;
          expect(low + 0).toBe(rank(0.005));
          expect(high + 0).toBe(rank(0.995) > rank(0.005) ? rank(0.995) : rank(0.005) + 1);
        },
      ),
    );
  });

  test('throws ERR_AFFINE for a rotation other than by multiples of 90 degrees', () => {
    const image = { pixels: new Float32Array(4), rows: 2, columns: 2 };
    expect(() => resample(image, [1, 0.1, 0, -0.1, 1, 0], 2, { low: 0, high: 1 }, 'low')).toThrow(
      expect.objectContaining({ code: 'ERR_AFFINE' }),
    );
  });
});
