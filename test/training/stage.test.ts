/** The loop of a stage on a model of one weight, whose steps can be computed by hand. */
import { afterAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { openDevice } from '#spinegrad/engine/openDevice.js';
import { mul } from '#spinegrad/engine/ops/elementwise.js';
import { sum } from '#spinegrad/engine/ops/sum.js';
import { SpinegradError } from '#spinegrad/error.js';
import { Module } from '#spinegrad/nn/module.js';
import { decayGroups } from '#spinegrad/training/groups.js';
import { type Run, runStage, type Stage } from '#spinegrad/training/stage.js';
import type { StepKeys } from '#spinegrad/training/steps.js';
import { tinyConfig, tinyRun } from '../predict/tiny.js';

const device = await openDevice('cpu', { threads: 1 });
afterAll(() => device.close());

class Weight extends Module {
  readonly weight = this.parameter('weight', device.tensor([4]));
}

const metrics = z.object({ validationLoss: z.number() });
type Metrics = z.output<typeof metrics>;

const settings = {
  epochs: 3,
  learningRate: 0.5,
  weightDecay: 0,
  warmupEpochs: 0,
  floor: 1,
  clipNorm: 1e9,
};

/** Minimises weight^2; `seen` records the batches. */
function squareStage(
  module: Weight,
  seen: number[][],
  change: Partial<Stage<number, Metrics>> = {},
): Stage<number, Metrics> {
  return {
    name: 'square',
    settings,
    modules: { module },
    groups: decayGroups({ module }, settings),
    items: [1, 2, 3, 4, 5, 6, 7],
    batchSize: 2,
    orderPurpose: 9,
    metrics,
    lossOf(batch) {
      seen.push([...batch]);
      return sum(mul(module.weight, module.weight));
    },
    validate: async () => ({ validationLoss: Math.abs((await module.weight.data())[0]!) }),
    ...change,
  };
}

const makeRun = (): Promise<Run> => tinyRun(device, tinyConfig());

describe('runStage', () => {
  it('draws every item at most once per epoch, in another order each epoch, and logs a row per epoch', async () => {
    using module = new Weight();
    const seen: number[][] = [];
    const { rows, best } = await runStage(await makeRun(), squareStage(module, seen));
    expect(seen).toHaveLength(9);
    const epochs = [0, 3, 6].map((first) => seen.slice(first, first + 3).flat());
    for (const epoch of epochs) expect(new Set(epoch).size).toBe(6);
    expect(epochs[0]).not.toEqual(epochs[1]);
    expect(rows.map(({ epoch }) => epoch)).toEqual([1, 2, 3]);
    // The first loss is 16; AdamW's first steps move the weight by the learning rate.
    expect(rows[0]!.trainLoss).toBeCloseTo((4 ** 2 + 3.5 ** 2 + 3 ** 2) / 3, 1);
    expect(rows[0]!.learningRate).toBe(0.5);
    expect(best).toBe(rows[2]);
  });

  it('leaves the weights of the best epoch in the modules', async () => {
    using module = new Weight();
    const better = (row: Metrics, best: Metrics) => row.validationLoss > best.validationLoss;
    const { rows, best } = await runStage(await makeRun(), squareStage(module, [], { better }));
    const largest = Math.max(...rows.map(({ validationLoss }) => validationLoss));
    expect(best!.validationLoss).toBe(largest);
    expect(Math.abs((await module.weight.data())[0]!)).toBe(largest);
  });

  it('resumes a finished stage from its checkpoint without a step', async () => {
    const run = await makeRun();
    using module = new Weight();
    const { rows, best } = await runStage(run, squareStage(module, []));
    using other = new Weight();
    const seen: number[][] = [];
    const resumed = await runStage(run, squareStage(other, seen));
    expect(seen).toEqual([]);
    expect([resumed.rows, resumed.best]).toEqual([rows, best]);
    expect(await other.weight.data()).toEqual(await module.weight.data());
  });

  it('validates and keeps the moving average of the weights if it has a decay', async () => {
    const before: number[] = [];
    using plain = new Weight();
    const lossOf = () => {
      plain.weight.data().then(([value]) => before.push(value!));
      return sum(mul(plain.weight, plain.weight));
    };
    const without = await runStage(await makeRun(), squareStage(plain, [], { lossOf }));
    const weights = [...before.slice(1), (await plain.weight.data())[0]!];
    let average = 4;
    for (const [step, weight] of weights.entries()) {
      average += (1 - Math.min(0.5, (1 + step) / (10 + step))) * (weight - average);
    }
    using module = new Weight();
    const { rows } = await runStage(await makeRun(), squareStage(module, [], { ema: 0.5 }));
    const [kept] = await module.weight.data();
    expect(kept).toBeCloseTo(average, 5);
    expect(Math.abs(kept!)).toBe(rows[2]!.validationLoss);
    expect(rows.map(({ trainLoss }) => trainLoss)).toEqual(without.rows.map(({ trainLoss }) => trainLoss));
    expect(kept).not.toBeCloseTo(weights.at(-1)!, 2);
  });

  it('resumes the moving average with the same bits', async () => {
    using module = new Weight();
    await runStage(await makeRun(), squareStage(module, [], { ema: 0.5 }));
    const controller = new AbortController();
    const run = { ...(await makeRun()), signal: controller.signal };
    using stopped = new Weight();
    let steps = 0;
    const lossOf = () => {
      if (++steps === 5) controller.abort(new Error('stop'));
      return sum(mul(stopped.weight, stopped.weight));
    };
    const stopping = squareStage(stopped, [], { ema: 0.5, lossOf });
    await expect(runStage(run, stopping)).rejects.toThrow('stop');
    using resumed = new Weight();
    const again = { ...run, signal: new AbortController().signal };
    await runStage(again, squareStage(resumed, [], { ema: 0.5 }));
    expect(await resumed.weight.data()).toEqual(await module.weight.data());
  });

  it('gives each purpose, epoch and step its own random numbers', async () => {
    using module = new Weight();
    const numbers: number[] = [];
    const steps: number[] = [];
    const lossOf = (_: readonly number[], keys: StepKeys) => {
      numbers.push(keys.stream(1).bits(), keys.stream(2).bits(), keys.device(1).seed, keys.device(2).seed);
      steps.push(keys.device(1).step);
      return sum(mul(module.weight, module.weight));
    };
    await runStage(await makeRun(), squareStage(module, [], { lossOf }));
    expect(new Set(numbers).size).toBe(9 * 2 + 2);
    expect(steps).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8]);
  });
});

describe('a stage that diverges', () => {
  const failing: [what: string, change: (module: Weight) => Partial<Stage<number, Metrics>>][] = [
    ['a loss', (module) => ({ lossOf: () => sum(mul(mul(module.weight, 3e38), 3e38)) })],
    ['a weight', (module) => ({ validate: async () => write(module, Number.NaN) })],
    [
      'a result of the validation',
      () => ({
        validate: async () => {
          throw new SpinegradError('ERR_NOT_FINITE', 'logits: found NaN');
        },
      }),
    ],
  ];

  async function write(module: Weight, value: number): Promise<Metrics> {
    module.weight.write(Float32Array.of(value));
    return { validationLoss: 1 };
  }

  it.each(failing)('ends with ERR_DIVERGED if %s is not finite', async (_, change) => {
    const run = await makeRun();
    using module = new Weight();
    await expect(runStage(run, squareStage(module, [], change(module)))).rejects.toMatchObject({
      code: 'ERR_DIVERGED',
      message: expect.stringMatching(/^square: .*; lower square\.learningRate and start a new run$/),
    });
  });
});
