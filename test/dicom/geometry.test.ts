import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  canonicalOrientation,
  geometryFrom,
  normalOf,
  planeOf,
  slicePosition,
  sortSlices,
  toPatient,
  toPixel,
} from '#spinegrad/dicom/geometry.js';
import type { Geometry, Vector3 } from '#spinegrad/dicom/types.js';

const geometry = (orientation: number[], position = [0, 0, 0]): Geometry =>
  geometryFrom(orientation, position)!;

/** Row and column directions of the 24 orientations along the patient's axes. */
const AXES = [0, 1, 2].flatMap((axis) =>
  [1, -1].map((sign) => [0, 1, 2].map((i) => (i === axis ? sign : 0)) as unknown as Vector3),
);
const ORIENTATIONS = AXES.flatMap((row) =>
  AXES.filter((column) => row.every((value, i) => value * column[i]! === 0)).map((column) => [
    ...row,
    ...column,
  ]),
);

describe('planeOf', () => {
  it.each([
    ['sagittal', [0, 1, 0, 0, 0, -1]],
    ['coronal', [1, 0, 0, 0, 0, -1]],
    ['axial', [1, 0, 0, 0, 1, 0]],
    ['axial', [1, 0, 0, 0, 0.87, -0.493]],
    ['oblique', [1, 0, 0, 0, Math.SQRT1_2, -Math.SQRT1_2]],
  ])('returns %s', (plane, orientation) => {
    expect(planeOf(geometry(orientation))).toBe(plane);
  });
});

describe('geometryFrom', () => {
  it('returns null unless there are six cosines of two perpendicular unit vectors', () => {
    expect(geometryFrom(null, [0, 0, 0])).toBeNull();
    expect(geometryFrom([1, 0, 0, 0, 1], [0, 0, 0])).toBeNull();
    expect(geometryFrom([0, 0, 0, 0, 0, 0], [0, 0, 0])).toBeNull();
    expect(geometryFrom([1, 0, 0, 1, 0, 0], [0, 0, 0])).toBeNull();
    expect(geometryFrom([1, 0, 0, 0, 1, 0], null)).toBeNull();
  });
});

describe('canonicalOrientation', () => {
  it.each(ORIENTATIONS)('brings %d %d %d \\ %d %d %d into the radiological view', (...orientation) => {
    const [columns, rows] = [5, 3];
    const spacing = [0.4, 0.7] as const;
    const source = geometry(orientation, [12, -7, 30]);
    const { toImage, width, height, transposed } = canonicalOrientation(source, columns, rows);
    expect([width, height]).toEqual(transposed ? [rows, columns] : [columns, rows]);
    const imagePoint = (u: number, v: number) => {
      const [a, b, c, d, e, f] = toImage;
      return [a * u + b * v + c, d * u + e * v + f] as const;
    };
    const corners = [
      [0, 0],
      [width - 1, 0],
      [0, height - 1],
      [width - 1, height - 1],
    ].map(([u, v]) => imagePoint(u!, v!).join());
    expect(new Set(corners)).toEqual(
      new Set(['0,0', `${columns - 1},0`, `0,${rows - 1}`, `${columns - 1},${rows - 1}`]),
    );
    const step = (du: number, dv: number) => {
      const from = toPatient(source, spacing, ...imagePoint(1, 1));
      const to = toPatient(source, spacing, ...imagePoint(1 + du, 1 + dv));
      return to.map((value, i) => Math.sign(Math.round((value - from[i]!) * 1e6)) + 0);
    };
    const [posterior, inferior, left] = [
      [0, 1, 0],
      [0, 0, -1],
      [1, 0, 0],
    ];
    const expected = { sagittal: [posterior, inferior], coronal: [left, inferior], axial: [left, posterior] };
    expect([step(1, 0), step(0, 1)]).toEqual(expected[planeOf(source) as keyof typeof expected]);
  });

  it('returns the identity for a tilted slice that is already canonical', () => {
    const tilted = geometry([-0.006, 0.99998, 0, 0.0625, 0.000377, -0.998]);
    expect(canonicalOrientation(tilted, 256, 256).toImage).toEqual([1, 0, 0, 0, 1, 0]);
  });
});

describe('sortSlices', () => {
  it('sorts sagittal slices from right to left for both signs of the normal', () => {
    for (const orientation of [
      [0, 1, 0, 0, 0, -1],
      [0, -1, 0, 0, 0, -1],
    ]) {
      const slices = [10, -20, 0].map((x) => ({ x, geometry: geometry(orientation, [x, 0, 0]) }));
      expect(sortSlices(slices).map(({ x }) => x)).toEqual([-20, 0, 10]);
      expect(slicePosition(slices[0]!.geometry)).toBeCloseTo(10);
    }
  });
});

it('normalOf returns a unit vector', () => {
  expect(normalOf(geometry([0, 1, 0, 0, 0, -1]))).toEqual([-1, 0, 0]);
});

it('toPixel inverts toPatient', () => {
  const angle = fc.double({ min: -Math.PI, max: Math.PI, noNaN: true });
  const length = fc.double({ min: -300, max: 300, noNaN: true });
  fc.assert(
    fc.property(angle, angle, length, length, length, (a, b, x, y, z) => {
      const row: Vector3 = [Math.cos(a), Math.sin(a), 0];
      const column: Vector3 = [-Math.sin(a) * Math.cos(b), Math.cos(a) * Math.cos(b), Math.sin(b)];
      const source = geometry([...row, ...column], [x, y, z]);
      const [px, py] = toPixel(source, [0.4, 0.9], toPatient(source, [0.4, 0.9], x, y));
      expect(px).toBeCloseTo(x, 6);
      expect(py).toBeCloseTo(y, 6);
    }),
  );
});
