import { afterAll, describe, expect, it } from 'vitest';
import { openDevice } from '#spinegrad/engine/openDevice.js';
import { fusionSpec } from '#spinegrad/model/fusion/spec.js';
import { type CropSet, gradeCrops } from '#spinegrad/model/grade.js';
import { Grader } from '#spinegrad/model/grader.js';
import { firstViews, GRADING_VIEWS, viewOf } from '#spinegrad/model/gradingViews.js';
import { ResNet } from '#spinegrad/nn/resnet.js';
import { RandomStream } from '#spinegrad/random.js';

const SIZE = 33;
const area = SIZE * SIZE;

/** A dot at each position, relative to the middle; one crop per position. */
function dots(...positions: (readonly [number, number])[]): Uint16Array {
  return Uint16Array.from({ length: positions.length * area }, (_, i) => {
    const [x, y] = positions[Math.floor(i / area)]!;
    const [u, v] = [(i % SIZE) - 16, Math.floor((i % area) / SIZE) - 16];
    return 60000 * Math.exp(-((u - x) ** 2 + (v - y) ** 2) / 8);
  });
}

/** The centre of mass of a crop relative to the middle. */
function centreOf(crops: Uint16Array, index: number): [number, number] {
  let [x, y, total] = [0, 0, 0];
  for (let i = 0; i < area; i++) {
    const value = crops[index * area + i]!;
    x += value * ((i % SIZE) - 16);
    y += value * (Math.floor(i / SIZE) - 16);
    total += value;
  }
  return [x / total, y / total];
}

describe('viewOf', () => {
  const crops = dots([6, 0], [0, -4]);
  const expectCentres = (view: Uint16Array, ...expected: [number, number][]) => {
    expected.forEach(([x, y], index) => {
      const [foundX, foundY] = centreOf(view, index);
      expect(foundX).toBeCloseTo(x, 1);
      expect(foundY).toBeCloseTo(y, 1);
    });
  };

  it('returns the crops themselves if nothing changes', () => {
    expect(viewOf(crops, SIZE, GRADING_VIEWS[0]!)).toBe(crops);
  });

  it('shifts, magnifies and rotates about the middle', () => {
    const plain = GRADING_VIEWS[0]!;
    expectCentres(viewOf(crops, SIZE, { ...plain, shift: [2 / SIZE, 0] }), [8, 0], [2, -4]);
    expectCentres(viewOf(crops, SIZE, { ...plain, scale: 1.25 }), [7.5, 0], [0, -5]);
    const [cosine, sine] = [Math.cos(Math.PI / 6), Math.sin(Math.PI / 6)];
    const rotated = viewOf(crops, SIZE, { ...plain, rotation: -30 });
    expectCentres(rotated, [6 * cosine, 6 * sine], [4 * sine, -4 * cosine]);
  });

  it('extends the border by its nearest pixel', () => {
    const crop = new Uint16Array(area).fill(1000);
    for (const view of GRADING_VIEWS) expect(new Set(viewOf(crop, SIZE, view))).toEqual(new Set([1000]));
  });
});

describe('gradeCrops', async () => {
  const device = await openDevice('cpu', { threads: 2 });
  afterAll(() => device.close());
  const encoder = new ResNet({ device, random: new RandomStream(1) }, { depth: 18, width: 4 });
  const heads = [
    { task: 'test/three', head: 'softmax', grades: 3 },
    { task: 'test/four', head: 'corn', grades: 4 },
  ] as const;
  const grader = new Grader({ device, random: new RandomStream(2) }, encoder, { heads }).eval();
  const input = { spec: fusionSpec('none', ['T2'], 0), normalisation: [{ mean: 0.1, std: 0.05 }] };
  const set: CropSet = { pixels: dots([6, 0], [0, -4]), size: SIZE, discs: [[1], [0]] };

  it('averages the probabilities of the views', async () => {
    const single = await Promise.all(
      GRADING_VIEWS.slice(0, 3).map((view) =>
        gradeCrops(device, grader, { ...set, pixels: viewOf(set.pixels, SIZE, view) }, input),
      ),
    );
    const averaged = await gradeCrops(device, grader, set, input, 3);
    averaged.forEach((table, task) => {
      table.forEach((row, disc) => {
        expect(row.reduce((a, b) => a + b)).toBeCloseTo(1, 5);
        row.forEach((p, grade) => {
          expect(p).toBeCloseTo(
            single.reduce((sum, of) => sum + of[task]![disc]![grade]! / 3, 0),
            10,
          );
        });
      });
    });
    expect(averaged).not.toEqual(single[0]);
  });

  it('with one view has the bits of the crop itself', async () => {
    expect(await gradeCrops(device, grader, set, input, 1)).toEqual(
      await gradeCrops(device, grader, set, input),
    );
  });

  it('refuses a number of views that does not exist', () => {
    const refused = expect.objectContaining({ code: 'ERR_ARGUMENT' });
    for (const count of [0, 1.5, 10]) expect(() => firstViews(count)).toThrow(refused);
  });
});
