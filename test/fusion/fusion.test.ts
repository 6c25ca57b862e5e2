/** Fusion of series on synthetic banks: what the encoders see, and what they compute of it. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { backward, noGrad } from '#spinegrad/engine/autograd.js';
import type { Device } from '#spinegrad/engine/device.js';
import { openDevice } from '#spinegrad/engine/openDevice.js';
import { mse } from '#spinegrad/engine/ops/mse.js';
import { Tensor } from '#spinegrad/engine/tensor.js';
import { tidy } from '#spinegrad/engine/tidy.js';
import { encode, newDiscEncoder } from '#spinegrad/model/fusion/encoder.js';
import { encoderInput, type Instances, type Slots } from '#spinegrad/model/fusion/input.js';
import { type FusionName, fusionSpec } from '#spinegrad/model/fusion/spec.js';
import { RandomStream } from '#spinegrad/random.js';
import { SPINAL_CANAL_STENOSIS } from '#spinegrad/tasks/rsna.js';
import { resolveConfig } from '#spinegrad/training/config.js';
import { type RoiBank, RoiDataset } from '#spinegrad/training/roiDataset.js';

const SIZE = 16;
const SERIES = ['T2', 'T1'];
const AUGMENTATION = resolveConfig('demo').augmentation;

let device: Device;
beforeAll(async () => {
  device = await openDevice('cpu');
});
afterAll(() => device[Symbol.dispose]());

/** A bank of discs with three slices per series; disc 1 has no T1. All crops are different noise. */
function bankOf(discs: number): RoiBank {
  const random = new RandomStream(3);
  const rois = Array.from({ length: discs }, (_, disc) =>
    SERIES.filter((series) => disc !== 1 || series === 'T2').flatMap((series) =>
      [0, -1, 1].map((sliceOffset) => ({
        disc,
        studyId: `${disc}`,
        seriesId: `${disc}${series}`,
        series,
        level: 'L4/L5' as const,
        side: null,
        grades: [disc % 3],
        sliceOffset,
        split: 'train' as const,
      })),
    ),
  )
    .flat()
    .map((record, row) => ({ row, ...record }));
  return {
    manifest: { roi: { size: SIZE, neighbours: 1 }, tasks: [SPINAL_CANAL_STENOSIS], series: SERIES, rois },
    rois: Uint16Array.from({ length: rois.length * SIZE * SIZE }, () => random.uniform(0, 65535)),
  };
}

const KEYS = { seed: 5, step: 2 };
const options = SERIES.map(() => ({ ...AUGMENTATION, mean: 0.5, std: 0.3 }));

/** The values of the input of some discs, per disc. */
async function valuesOf(dataset: RoiDataset, slots: readonly Slots[]): Promise<Float32Array[]> {
  const input = dataset.views(slots, KEYS);
  if (!(input instanceof Tensor)) throw new Error('expected a tensor');
  const values = await input.data();
  const size = values.length / slots.length;
  return slots.map((_, disc) => values.slice(disc * size, (disc + 1) * size));
}

describe('RoiDataset', () => {
  it('without fusion gives one row of the first series, as chosen', () => {
    const dataset = new RoiDataset(device, bankOf(3), null);
    const [first, second] = dataset.of('train');
    expect(dataset.slots(first!)).toEqual([0]);
    expect(dataset.slots(first!, (rows) => rows[2]!)).toEqual([2]);
    expect(dataset.slots(second!)).toEqual([6]);
    expect(dataset.input.normalisation).toHaveLength(1);
    dataset.dispose();
  });

  it('with channels gives a row of each series at the same slice offset, and null for a missing series', () => {
    const dataset = new RoiDataset(device, bankOf(3), null, 'channels');
    const [first, second] = dataset.of('train');
    expect(dataset.slots(first!)).toEqual([0, 3]);
    expect(dataset.slots(first!, (rows) => rows[2]!)).toEqual([2, 5]);
    expect(dataset.slots(second!)).toEqual([6, null]);
    expect(dataset.input.normalisation).toHaveLength(2);
    dataset.dispose();
  });

  it('with attention gives all rows, ordered by series and slice offset', () => {
    const dataset = new RoiDataset(device, bankOf(3), null, 'attention');
    const [first, second] = dataset.of('train');
    expect(dataset.slots(first!)).toEqual([1, 0, 2, 4, 3, 5]);
    expect(dataset.slots(second!)).toEqual([7, 6, 8, null, null, null]);
    dataset.dispose();
  });

  it('measures the normalisation of each series on its own rows', () => {
    const bank = bankOf(3);
    for (const { row, series } of bank.manifest.rois) {
      if (series === 'T1') bank.rois.fill(6553, row * SIZE * SIZE, (row + 1) * SIZE * SIZE);
    }
    const dataset = new RoiDataset(device, bank, null, 'channels');
    expect(dataset.input.normalisation[0]!.mean).toBeCloseTo(0.5, 1);
    expect(dataset.input.normalisation[1]!.mean).toBeCloseTo(0.1, 3);
    dataset.dispose();
  });
});

describe('channels', () => {
  it('are views of equal geometry: two series with the same pixels give equal channels', async () => {
    const bank = bankOf(2);
    bank.rois.copyWithin(3 * SIZE * SIZE, 0, 3 * SIZE * SIZE);
    const dataset = new RoiDataset(device, bank, AUGMENTATION, 'channels');
    const [values] = await valuesOf(dataset, [dataset.slots(dataset.of('train')[0]!)]);
    const [t2, t1] = [values!.slice(0, SIZE * SIZE), values!.slice(SIZE * SIZE)];
    // Equal up to the normalisation of each series, an affine map of intensities.
    const [a, b] = dataset.input.normalisation as [
      { mean: number; std: number },
      { mean: number; std: number },
    ];
    for (const [i, value] of t2.entries())
      expect(t1[i]).toBeCloseTo((value * a.std + a.mean - b.mean) / b.std, 3);
    dataset.dispose();
  });

  it('of a missing series are 0 and change no other channel', async () => {
    const dataset = new RoiDataset(device, bankOf(3), AUGMENTATION, 'channels');
    const slots = dataset.of('train').map((disc) => dataset.slots(disc));
    const without = slots.map((disc, index) => (index === 2 ? [disc[0]!, null] : disc));
    const [complete, missing] = [await valuesOf(dataset, slots), await valuesOf(dataset, without)];
    expect(missing[0]).toEqual(complete[0]);
    expect(missing[2]!.slice(0, SIZE * SIZE)).toEqual(complete[2]!.slice(0, SIZE * SIZE));
    expect(missing[2]!.slice(SIZE * SIZE).every((value) => value === 0)).toBe(true);
    expect(complete[2]!.slice(SIZE * SIZE).some((value) => value !== 0)).toBe(true);
    dataset.dispose();
  });
});

describe('attention', () => {
  const spec = fusionSpec('attention', SERIES, 1);
  const encoder = () =>
    newDiscEncoder({ device, random: new RandomStream(1) }, { depth: 18, width: 4 }, spec).eval();
  const bank = () => device.tensor(bankOf(4).rois, [21, SIZE, SIZE]);
  const embed = async (network: ReturnType<typeof encoder>, discs: readonly Slots[]) => {
    using images = bank();
    using y = noGrad(() =>
      tidy(() =>
        encode(
          network,
          encoderInput(
            images,
            discs,
            spec,
            KEYS,
            options.map(({ mean, std }) => ({ mean, std })),
          ),
        ),
      ),
    );
    const values = await y.data();
    return discs.map((_, disc) => values.slice(disc * network.features, (disc + 1) * network.features));
  };
  const close = (a: Float32Array, b: Float32Array) => {
    for (const [i, value] of a.entries()) expect(b[i]).toBeCloseTo(value, 4);
  };

  it('does not depend on the order of the instances of a series', async () => {
    const network = encoder();
    const [a] = await embed(network, [[1, 0, 2, 4, 3, 5]]);
    const [b] = await embed(network, [[2, 1, 0, 5, 4, 3]]);
    close(a!, b!);
    const [c] = await embed(network, [[1, 0, 2, 4, 3, 6]]);
    expect(Math.max(...a!.map((value, i) => Math.abs(value - c![i]!)))).toBeGreaterThan(1e-3);
    network.dispose();
  });

  it('ignores missing instances and series, and a disc without them changes no other disc', async () => {
    const network = encoder();
    const [all, single] = await embed(network, [
      [1, 0, 2, 4, 3, 5],
      [null, 0, null, null, null, null],
    ]);
    const [alone] = await embed(network, [[1, 0, 2, 4, 3, 5]]);
    close(all!, alone!);
    const [moved] = await embed(network, [[0, null, null, null, null, null]]);
    close(single!, moved!);
    expect(single!.every(Number.isFinite)).toBe(true);
    network.dispose();
  });

  it('makes the same views of the other slots when a slot is missing', async () => {
    using images = bank();
    const complete: Slots[] = [
      [1, 0, 2, 4, 3, 5],
      [7, 6, 8, 10, 9, 11],
    ];
    const partial: Slots[] = [
      [1, null, 2, 4, 3, 5],
      [7, 6, 8, 10, 9, 11],
    ];
    const cropsOf = async (slots: readonly Slots[]) => {
      const { crops } = encoderInput(images, slots, spec, KEYS, options) as Instances;
      return crops[0]!.data();
    };
    const [a, b] = [await cropsOf(complete), await cropsOf(partial)];
    const area = SIZE * SIZE;
    expect(b.slice(0, area)).toEqual(a.slice(0, area));
    expect(b.slice(area)).toEqual(a.slice(2 * area));
  });

  it.each<[FusionName, number]>([
    ['channels', 1],
    ['attention', 2],
  ])('and %s pass gradients to every parameter of every encoder', async (fusion, encoders) => {
    const dataset = new RoiDataset(device, bankOf(4), AUGMENTATION, fusion);
    const build = { device, random: new RandomStream(1) };
    const network = newDiscEncoder(build, { depth: 18, width: 4 }, dataset.input.spec).train();
    const views = dataset.views(
      dataset.of('train').map((disc) => dataset.slots(disc)),
      KEYS,
    );
    const y = encode(network, views);
    backward(mse(y, device.full(y.shape, 1)));
    const stems = [...network.parameters().keys()].filter(
      (name) => name.endsWith('conv1.weight') && !name.includes('layer'),
    );
    expect(stems).toHaveLength(encoders);
    for (const [name, parameter] of network.parameters()) {
      const gradient = await parameter.grad!.data();
      const sum = gradient.reduce((total, value) => total + Math.abs(value), 0);
      if (!/w\.bias$/.test(name)) expect(sum, name).toBeGreaterThan(0);
      expect(Number.isFinite(sum), name).toBe(true);
    }
    network.dispose();
    dataset.dispose();
  });
});
