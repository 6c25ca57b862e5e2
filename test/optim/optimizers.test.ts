import { readFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { backward } from '#spinegrad/engine/autograd.js';
import type { Device } from '#spinegrad/engine/device.js';
import { openDevice } from '#spinegrad/engine/openDevice.js';
import { clipGradNorm } from '#spinegrad/engine/ops/clipGradNorm.js';
import { conv2d } from '#spinegrad/engine/ops/conv2d.js';
import { relu } from '#spinegrad/engine/ops/elementwise.js';
import { sum } from '#spinegrad/engine/ops/sum.js';
import type { Tensor } from '#spinegrad/engine/tensor.js';
import { AdamW } from '#spinegrad/optim/adamW.js';
import { Ema } from '#spinegrad/optim/ema.js';
import { LARS } from '#spinegrad/optim/lars.js';
import type { Optimizer } from '#spinegrad/optim/optimizer.js';
import { SGD } from '#spinegrad/optim/sgd.js';
import { DEVICE } from '../device.js';
import { uniforms } from '../ops/descriptor.js';

interface Golden {
  torch: string;
  optimizers: {
    class: 'AdamW' | 'SGD' | 'LARS';
    settings: Record<string, number | boolean> & {
      groups?: { learningRate?: number; weightDecay?: number }[];
    };
    shapes: number[][];
    start: number[][];
    gradients: (number[] | null)[][];
    trajectory: number[][][];
  }[];
  clipGradNorm: {
    maxNorm: number;
    shapes: number[][];
    before: number[][];
    norm: number;
    after: number[][];
  }[];
}

const golden = JSON.parse(readFileSync(new URL('golden/optimizers.json', import.meta.url), 'utf8')) as Golden;

let device: Device;
beforeEach(async () => {
  device = await openDevice(DEVICE);
});
afterEach(() => device.close());

function setGradient(parameter: Tensor, values: readonly number[] | null): void {
  parameter.grad?.dispose();
  parameter.grad = values ? device.tensor(values, parameter.shape).keep() : undefined;
}

function expectClose(found: ArrayLike<number>, expected: readonly number[], allowed: number): void {
  expect(found.length).toBe(expected.length);
  expected.forEach((value, i) => {
    expect(Math.abs(found[i]! - value), `value ${i}`).toBeLessThanOrEqual(
      allowed * Math.max(1, Math.abs(value)),
    );
  });
}

describe('optimizers', () => {
  it.each(golden.optimizers.map((run) => [`${run.class} ${JSON.stringify(run.settings)}`, run] as const))(
    `agree with PyTorch ${golden.torch} over six steps: %s`,
    async (_, { class: name, settings: { groups, ...settings }, shapes, start, gradients, trajectory }) => {
      const parameters = shapes.map((shape, i) => device.tensor(start[i]!, shape));
      const named = new Map(parameters.map((parameter, i) => [`p${i}`, parameter]));
      const groupsOrMap = groups
        ? groups.map((group, i) => ({
            ...group,
            name: `g${i}`,
            parameters: new Map([[`p${i}`, parameters[i]!]]),
          }))
        : named;
      const optimizer = new { AdamW, SGD, LARS }[name](groupsOrMap, settings);
      for (const [step, row] of gradients.entries()) {
        parameters.forEach((parameter, i) => {
          setGradient(parameter, row[i]!);
        });
        optimizer.step();
        // A float32 step rounds about ten operations on numbers of about 1.
        for (const [i, parameter] of parameters.entries()) {
          expectClose(await parameter.data(), trajectory[step]![i]!, (step + 1) * 10 * 2 ** -24);
        }
      }
      optimizer.dispose();
      for (const parameter of parameters) parameter.dispose();
    },
  );

  it.each(golden.clipGradNorm)('clipGradNorm agrees with PyTorch for maxNorm $maxNorm', async (clip) => {
    const parameters = clip.shapes.map((shape) => device.zeros(shape));
    parameters.forEach((parameter, i) => {
      setGradient(parameter, clip.before[i]!);
    });
    using norm = clipGradNorm(parameters, clip.maxNorm);
    expect(norm.shape).toEqual([]);
    expect(await norm.item()).toBeCloseTo(clip.norm, 6);
    for (const [i, parameter] of parameters.entries()) {
      expectClose(await parameter.grad!.data(), clip.after[i]!, 3 * 2 ** -24);
      parameter.dispose();
    }
  });

  it('LARS takes the norms over all chunks of a tensor, and the plain rate if a norm is 0', async () => {
    const next = uniforms(2);
    const array = (n: number) => Float32Array.from({ length: n }, () => next() - 0.5);
    const shapes = [
      [1000, 101],
      [3, 1],
      [200, 7],
      [4, 2],
    ];
    const [values, gradients] = [0, 1].map(() => shapes.map(([n, m]) => array(n! * m!))) as Float32Array[][];
    values![3]!.fill(0);
    const parameters = shapes.map((shape, i) => device.tensor(values![i]!, shape).keep());
    parameters.forEach((parameter, i) => {
      parameter.grad = device.tensor(gradients![i]!, shapes[i]!).keep();
    });
    const named = new Map(parameters.map((parameter, i) => [`p${i}`, parameter]));
    using optimizer = new LARS(named, { learningRate: 2, weightDecay: 0.25, trust: 0.5 });
    optimizer.step();
    const norm = (of: Float32Array) => Math.sqrt(of.reduce((sum, v) => sum + v * v, 0));
    for (const [i, parameter] of parameters.entries()) {
      const [p, g] = [values![i]!, gradients![i]!];
      const rate = i === 3 ? 2 : (2 * 0.5 * norm(p)) / (norm(g) + 0.25 * norm(p));
      const expected = [...p].map((value, k) => value - rate * (g[k]! + 0.25 * value));
      expectClose(await parameter.data(), expected, 8 * 2 ** -24);
    }
  });

  it('clipGradNorm sums tensors of many chunks in double precision', async () => {
    const next = uniforms(1);
    const arrays = [100_003, 1, 17, 40_000].map((n) => Float32Array.from({ length: n }, () => next() - 0.5));
    const parameters = arrays.map((array) => device.zeros([array.length]));
    parameters.forEach((parameter, i) => {
      parameter.grad = device.tensor(arrays[i]!).keep();
    });
    using norm = clipGradNorm(parameters, 1e9);
    const expected = Math.sqrt(arrays.reduce((sum, a) => a.reduce((s, v) => s + v * v, sum), 0));
    expect(await norm.item()).toBe(Math.fround(expected));
    expect(await parameters[0]!.grad!.data()).toEqual(arrays[0]);
    for (const parameter of parameters) parameter.dispose();
  });

  it('clipGradNorm takes squares beyond the range of float32, and many tensors', async () => {
    const parameters = Array.from({ length: 300 }, (_, i) => {
      const parameter = device.zeros([3]);
      parameter.grad = device.tensor([0, i === 299 ? 3e20 : 0, i === 0 ? 4e20 : 0]).keep();
      return parameter;
    });
    using norm = clipGradNorm(parameters, 10);
    expect(await norm.item()).toBe(Math.fround(5e20));
    expectClose(await parameters[299]!.grad!.data(), [0, 6, 0], 2 ** -22);
    expectClose(await parameters[0]!.grad!.data(), [0, 0, 8], 2 ** -22);
  });

  it('clipGradNorm adds 1e-6 to the norm, as PyTorch does', async () => {
    const parameter = device.zeros([2]);
    parameter.grad = device.tensor([6e-6, 8e-6]).keep();
    clipGradNorm([parameter], 1e-6).dispose();
    const [a, b] = (await parameter.grad.data()) as Float32Array;
    expect(a! / 6e-6).toBeCloseTo(1e-6 / (1e-5 + 1e-6), 5);
    expect(b! / 8e-6).toBeCloseTo(1e-6 / (1e-5 + 1e-6), 5);
  });

  /** A small network with odd channel counts, and a function that trains it. */
  function smallNetwork(): {
    parameters: Map<string, Tensor>;
    train: (optimizer: Optimizer<never>, steps: number) => void;
  } {
    const next = uniforms(4);
    const random = (shape: number[]): Tensor => {
      const size = shape.reduce((product, side) => product * side, 1);
      const tensor = device.tensor(
        Float32Array.from({ length: size }, () => next() - 0.5),
        shape,
      );
      tensor.requiresGrad = true;
      return tensor.keep();
    };
    const first = random([20, 3, 3, 3]);
    const second = random([33, 20, 3, 3]);
    const x = random([4, 3, 9, 9]);
    x.requiresGrad = false;
    const train = (optimizer: Optimizer<never>, steps: number): void => {
      for (let i = 0; i < steps; i++) {
        optimizer.zeroGrad();
        const loss = sum(conv2d(relu(conv2d(x, first, { padding: 1 })), second));
        backward(loss);
        loss.dispose();
        optimizer.step();
      }
    };
    return { parameters: new Map(Object.entries({ first, second })), train };
  }

  it.each(['AdamW', 'SGD', 'LARS'] as const)('%s resumes from its state with the same bits', async (name) => {
    const make = (parameters: Map<string, Tensor>): Optimizer<never> =>
      (name === 'AdamW'
        ? new AdamW(parameters, { learningRate: 0.01 })
        : name === 'SGD'
          ? new SGD(parameters, { learningRate: 1e-3, momentum: 0.9 })
          : new LARS(parameters)) as unknown as Optimizer<never>;
    const continuous = smallNetwork();
    const before = make(continuous.parameters);
    continuous.train(before, 3);
    const state = Object.fromEntries(
      await Promise.all(
        Object.entries(before.stateTensors()).map(async ([key, t]) => [key, await t.data()] as const),
      ),
    );
    const weights = await Promise.all([...continuous.parameters.values()].map((tensor) => tensor.data()));

    const resumed = smallNetwork();
    [...resumed.parameters.values()].forEach((tensor, i) => {
      tensor.write(weights[i]!);
    });
    const after = make(resumed.parameters);
    after.loadState(state);
    continuous.train(before, 3);
    resumed.train(after, 3);
    for (const [key, tensor] of continuous.parameters) {
      expect(await resumed.parameters.get(key)!.data()).toEqual(await tensor.data());
    }
    expect(Object.keys(state)).toContain('steps');
    expect((await after.stateTensors().steps!.data<'int32'>())[0]).toBe(6);
  });

  it('AdamW gives the same bits for gradients of conv2d and for row-major copies', async () => {
    const trained = smallNetwork();
    const adam = new AdamW(trained.parameters, { learningRate: 0.01 });
    trained.train(adam as unknown as Optimizer<never>, 1);
    // The same step with row-major copies of the gradients.
    const start = smallNetwork();
    for (const [key, parameter] of start.parameters) {
      parameter.grad = device.tensor(await trained.parameters.get(key)!.grad!.data(), parameter.shape).keep();
    }
    new AdamW(start.parameters, { learningRate: 0.01 }).step();
    for (const [key, parameter] of start.parameters) {
      expect(await parameter.data()).toEqual(await trained.parameters.get(key)!.data());
    }
  });

  it('multiplies the rate of each group by learningRateFactor', async () => {
    const [a, b] = [device.tensor([1]), device.tensor([1])];
    const optimizer = new SGD([
      { name: 'encoder', parameters: new Map([['a', a]]), learningRate: 0.1 },
      { name: 'head', parameters: new Map([['b', b]]), learningRate: 1 },
    ]);
    optimizer.learningRateFactor = 0.5;
    setGradient(a, [1]);
    setGradient(b, [1]);
    optimizer.step();
    expect(optimizer.learningRates).toEqual({ encoder: 0.05, head: 0.5 });
    expect((await a.data())[0]).toBeCloseTo(0.95, 6);
    expect((await b.data())[0]).toBe(0.5);
  });

  it('throws errors with codes for bad groups, states, settings and gradients', () => {
    const a = device.tensor([1, 2]);
    const parameters = new Map([['a', a]]);
    const code = (value: string) => expect.objectContaining({ name: 'SpinegradError', code: value });
    expect(
      () =>
        new AdamW([
          { name: 'x', parameters },
          { name: 'y', parameters },
        ]),
    ).toThrow(code('ERR_PARAMETER'));
    expect(() => new AdamW(new Map())).toThrow(code('ERR_PARAMETER'));
    const optimizer = new AdamW(parameters);
    expect(() => optimizer.loadState({})).toThrow(code('ERR_OPTIMIZER_STATE'));
    const [firstMoment, steps] = [new Float32Array(3), new Int32Array(1)];
    expect(() =>
      optimizer.loadState({ 'firstMoment.a': firstMoment, 'secondMoment.a': firstMoment, steps }),
    ).toThrow(code('ERR_OPTIMIZER_STATE'));
    const [finite, notFinite] = [new Float32Array(2), Float32Array.of(0, Number.NaN)];
    expect(() =>
      optimizer.loadState({ 'firstMoment.a': finite, 'secondMoment.a': notFinite, steps }),
    ).toThrow(code('ERR_NOT_FINITE'));
    setGradient(a, [1, 1]);
    expect(() => new AdamW(parameters, { learningRate: -1 }).step()).toThrow(code('ERR_ARGUMENT'));
    expect(() => clipGradNorm([device.zeros([1])], 1)).toThrow(code('ERR_NO_GRADIENT'));
    for (const form of [undefined, 1, {}, [1], 'ab', { parameters }] as unknown[]) {
      const hint = /parameters: expected the Map of module.parameters\(\), an array of tensors, or/;
      expect(() => clipGradNorm(form as Tensor[], 1)).toThrow(hint);
      expect(() => new AdamW(form as Tensor[])).toThrow(hint);
    }
    // @ts-expect-error: an unknown setting of a group
    expect(() => new AdamW([{ name: 'x', parameters, lr: 1 }])).toThrow("unknown option 'lr'");
    expect(() => clipGradNorm([a], 0)).toThrow(code('ERR_ARGUMENT'));
    expect(() => clipGradNorm([a, a], 1)).toThrow(code('ERR_ARGUMENT'));
  });

  it('and clipping take parameters as a Map, an array or groups', async () => {
    const tensors = [device.tensor([1, 2]), device.tensor([3])];
    const named = new Map(tensors.map((tensor, index) => [`p${index}`, tensor]));
    const groups = [
      { name: 'x', parameters: tensors.slice(0, 1) },
      { name: 'y', parameters: tensors.slice(1).values() },
    ];
    const states = [named, tensors, groups].map((parameters) => {
      using optimizer = new SGD(parameters);
      return Object.keys(optimizer.stateTensors());
    });
    expect(states).toEqual([
      ['velocity.p0', 'velocity.p1', 'steps'],
      ['velocity.0', 'velocity.1', 'steps'],
      ['velocity.x.0', 'velocity.y.0', 'steps'],
    ]);
    for (const parameters of [named, tensors, tensors.values(), [{ name: 'x', parameters: named }]]) {
      for (const tensor of tensors) tensor.grad = device.full(tensor.shape, 1).keep();
      using norm = clipGradNorm(parameters, 1);
      expect(await norm.item()).toBeCloseTo(Math.sqrt(3), 6);
    }
  });

  it('frees its tensors in dispose()', () => {
    const { parameters } = smallNetwork();
    const before = device.memory().tensors;
    const optimizer = new AdamW(parameters);
    optimizer.stateTensors();
    optimizer.dispose();
    expect(device.memory().tensors).toBe(before);
  });
});

describe('Ema', () => {
  it('moves the averages towards the weights by 1 - decay per update', async () => {
    using weight = device.tensor([1, 2, 4]);
    using average = new Ema(new Map([['w', weight]]), 0.75);
    weight.write(Float32Array.of(5, 2, 0));
    average.update();
    average.update();
    // target + (1 - 0.75^2) (source - target), exact in binary.
    expect(await average.tensors.get('w')!.data()).toEqual(Float32Array.of(2.75, 2, 2.25));
    weight.write(Float32Array.of(2.75, 2, 12.25));
    average.update(0);
    // The decay of the first update is at most 1 / 10.
    expect((await average.tensors.get('w')!.data())[2]).toBeCloseTo(2.25 + 0.9 * 10, 5);
    expect(() => new Ema(new Map(), 2)).toThrow(expect.objectContaining({ code: 'ERR_ARGUMENT' }));
  });
});
