/**
 * The harness of the operations: one small descriptor an operation drives every proof that it is right.
 *
 * - value: against `reference`, the same mathematics in plain float64, on the very float32 values the device gets;
 * - gradient: of sum(y * cotangent), cotangent random, against central differences of that float64 reference;
 * - layout: the same for images that come from a layer and go to one, in whatever layout the backend gives those;
 * - determinism: a second run gives the same bits, and no tensor is left behind;
 * - golden: value and gradients that PyTorch computed in float64 (test/oracles writes test/ops/golden/<name>.json);
 * - refusals: the error code of a bad argument, thrown at the call, or by the queue at the next read.
 *
 * An error is counted in units of float32 rounding, u = 2^-24, of the largest value of the reference: what a
 * backward-stable float32 algorithm promises. A case whose inputs are small integers may ask for equality (`exact`).
 * SPINEGRAD_TEST_DEVICE names the device under test (default cpu).
 */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { backward } from '#spinegrad/engine/autograd.js';
import { type Device, openDevice } from '#spinegrad/engine/device.js';
import { mul } from '#spinegrad/engine/ops/elementwise.js';
import { maxPool2d } from '#spinegrad/engine/ops/maxPool2d.js';
import { sum } from '#spinegrad/engine/ops/sum.js';
import type { Tensor, TypedArray } from '#spinegrad/engine/tensor.js';
import { DEVICE } from '../device.js';

/** Numbers become float32; a typed array keeps its dtype. */
export interface Input {
  shape: readonly number[];
  values: TypedArray | readonly number[];
}

export interface NumberInput extends Input {
  values: readonly number[];
}

/** What the reference gets: the values after rounding to the tensor's dtype. */
export interface Reference {
  shape: readonly number[];
  values: Float64Array;
}

export interface Tolerance {
  /** In units of 2^-24 of the largest absolute value of the reference. */
  units: number;
  /** The same for gradients; default: as for the value. */
  gradientUnits?: number;
  /** In place of both on a CUDA device, for an operation that multiplies there in TF32; see `TF32`. */
  tf32?: number;
  /** Where the number comes from. */
  reason: string;
}

export interface OperationCase<Options> {
  name: string;
  inputs: Record<string, Input>;
  options?: Options;
  /** The arithmetic is exact in float32 for these inputs: value and gradient must be equal to the reference. */
  exact?: boolean;
  /** Replaces the operation's list for this case. */
  differentiable?: readonly string[];
  tolerance?: Tolerance;
  /** How many values of each gradient are checked, drawn at random; for costly references. Default 64. */
  probes?: number;
}

export interface Refusal {
  name: string;
  code: `ERR_${string}`;
  call: (device: Device) => Tensor;
  /** Whether the call throws, or the queue finds out and the read rejects. Default: call. */
  at?: 'call' | 'read';
}

export interface OperationDescriptor<Options> {
  name: string;
  run: (tensors: Record<string, Tensor>, options: Options, device: Device) => Tensor;
  reference: (inputs: Record<string, Reference>, options: Options) => ArrayLike<number>;
  /** Inputs that have a gradient. */
  differentiable: readonly string[];
  tolerance: Tolerance;
  cases: readonly OperationCase<Options>[];
  refusals?: readonly Refusal[];
  /** Whether test/ops/golden/<name>.json exists. */
  golden?: boolean;
}

interface GoldenFile<Options> {
  torch: string;
  cases: {
    name: string;
    inputs: Record<string, { dtype: 'float32' | 'int32'; shape: number[]; values: number[] }>;
    options: Options;
    shape: number[];
    value: number[];
    cotangent: number[];
    gradients: Record<string, number[]>;
  }[];
}

/** Reproducible uniform numbers in [0, 1) (mulberry32). */
export function uniforms(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

const count = (shape: readonly number[]): number => shape.reduce((product, size) => product * size, 1);

/** Integers from low to high, both included. */
export function integers(shape: readonly number[], seed: number, low = -3, high = 3): NumberInput {
  const next = uniforms(seed);
  const values = Array.from({ length: count(shape) }, () => low + Math.floor(next() * (high - low + 1)));
  return { shape, values };
}

/** Normal deviates of mean 0. */
export function normals(shape: readonly number[], seed: number, deviation = 1): NumberInput {
  const next = uniforms(seed);
  const normal = (): number => Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next());
  return { shape, values: Array.from({ length: count(shape) }, () => deviation * normal()) };
}

/** All integers from -n/2 on, shuffled, times `step`: no two are equal, and none is within step / 4 of 0. */
export function distinct(shape: readonly number[], seed: number, step = 0.125): NumberInput {
  const next = uniforms(seed);
  const size = count(shape);
  const values = Array.from({ length: size }, (_, index) => (index - Math.floor(size / 2) + 0.5) * step);
  for (let i = size - 1; i > 0; i--) {
    const j = Math.floor(next() * (i + 1));
    [values[i], values[j]] = [values[j]!, values[i]!];
  }
  return { shape, values };
}

/** Class labels or indices: int32 from 0 to classes - 1. */
export function labels(shape: readonly number[], seed: number, classes: number): Input {
  const { values } = integers(shape, seed, 0, classes - 1);
  return { shape, values: Int32Array.from(values) };
}

/**
 * The tolerance of sums of products in TF32, in units: both factors are rounded to 11 significant bits, so a product is
 * off by at most 2^-10 of itself, which is 2^14 units. Signs are as random as those of the products, so that the sum of
 * K errors grows as the sum of K products does, with the root of K. The additions are float32's own.
 */
export const TF32 = 2 ** 14;

const UNIT = 2 ** -24;
const STEP = 1e-5;
const PROBES = 64;

function unitsOf(tolerance: Tolerance): { value: number; gradient: number } {
  const { units, gradientUnits = units, tf32 } = tolerance;
  if (tf32 !== undefined && DEVICE.startsWith('cuda')) return { value: tf32, gradient: tf32 };
  return { value: units, gradient: gradientUnits };
}

const typed = ({ values }: Input): TypedArray =>
  Array.isArray(values) ? Float32Array.from(values) : (values as TypedArray);

function compare(what: string, found: ArrayLike<number>, expected: ArrayLike<number>, allowed: number): void {
  expect(found.length, `${what}: number of values`).toBe(expected.length);
  for (let i = 0; i < expected.length; i++) {
    const got = found[i]!;
    const want = expected[i]!;
    const fits = Object.is(got, want) || got === want || Math.abs(got - want) <= allowed;
    if (!fits)
      expect.fail(`${what}[${i}]: found ${got}, expected ${want} within ${allowed} (off by ${got - want})`);
  }
}

const largest = (values: ArrayLike<number>): number =>
  Array.from(values).reduce(
    (most, value) => (Number.isFinite(value) ? Math.max(most, Math.abs(value)) : most),
    0,
  );

const isImage = (tensor: Tensor): boolean => tensor.shape.length === 4 && tensor.dtype === 'float32';

/** A layer that changes no value, but leaves an image in whatever layout layers leave them. */
const layer = (tensor: Tensor): Tensor => (isImage(tensor) ? maxPool2d(tensor, 1) : tensor);

interface Outcome {
  shape: readonly number[];
  value: Float32Array;
  gradients: Record<string, Float32Array>;
}

async function evaluate<Options>(
  device: Device,
  run: OperationDescriptor<Options>['run'],
  inputs: Record<string, Input>,
  options: Options,
  differentiable: readonly string[],
  cotangent: (size: number) => Float32Array,
  betweenLayers = false,
): Promise<Outcome> {
  const tensors: Record<string, Tensor> = {};
  for (const [name, input] of Object.entries(inputs)) {
    tensors[name] = device.tensor(typed(input), input.shape).keep();
    tensors[name].requiresGrad = differentiable.includes(name);
  }
  const images = betweenLayers
    ? Object.fromEntries(Object.entries(tensors).map(([name, tensor]) => [name, layer(tensor).keep()]))
    : tensors;
  const result = run(images, options, device).keep();
  const y = betweenLayers ? layer(result).keep() : result;
  const value = await y.data();
  const gradients: Record<string, Float32Array> = {};
  if (differentiable.length > 0) {
    const weights = device.tensor(cotangent(y.size), y.shape);
    const loss = sum(mul(y, weights));
    backward(loss);
    for (const name of differentiable) {
      expect(tensors[name]!.grad?.shape, `shape of the gradient of ${name}`).toEqual(tensors[name]!.shape);
      gradients[name] = await tensors[name]!.grad!.data();
    }
    weights.dispose();
    loss.dispose();
  }
  const { shape } = y;
  for (const tensor of [y, result, ...Object.values(images), ...Object.values(tensors)]) tensor.dispose();
  return { shape, value, gradients };
}

/** Derivative of sum(reference * cotangent) with respect to one value of one input, by central differences. */
function derivative(
  objective: (inputs: Record<string, Reference>) => number,
  inputs: Record<string, Reference>,
  name: string,
  index: number,
): number {
  const values = Float64Array.from(inputs[name]!.values);
  const shifted = { ...inputs, [name]: { shape: inputs[name]!.shape, values } };
  const at = values[index]!;
  const high = at + STEP;
  const low = at - STEP;
  values[index] = high;
  const above = objective(shifted);
  values[index] = low;
  const difference = above - objective(shifted);
  return difference === 0 ? 0 : difference / (high - low); // 0 also where the value is NaN and must not matter
}

/** The value and gradients that a case must give, from its reference. */
interface Expected {
  value: ArrayLike<number>;
  gradients: Record<string, { probes: number[]; values: number[]; differences: number }>;
}

function expectedOf<Options>(
  { reference }: OperationDescriptor<Options>,
  { inputs, options, probes: most = PROBES }: OperationCase<Options>,
  differentiable: readonly string[],
  cotangent: (size: number) => Float32Array,
): Expected {
  const arrays: Record<string, Reference> = {};
  for (const [name, input] of Object.entries(inputs)) {
    arrays[name] = { shape: input.shape, values: Float64Array.from(typed(input)) };
  }
  const value = reference(arrays, options as Options);
  const weights = cotangent(value.length);
  const objective = (shifted: Record<string, Reference>): number => {
    const y = reference(shifted, options as Options);
    let total = 0;
    for (let i = 0; i < y.length; i++) total += y[i]! * weights[i]!;
    return total;
  };
  const gradients: Expected['gradients'] = {};
  for (const name of differentiable) {
    const size = arrays[name]!.values.length;
    const next = uniforms(size);
    const probes =
      size <= most ? [...Array(size).keys()] : Array.from({ length: most }, () => Math.floor(next() * size));
    const values = probes.map((index) => derivative(objective, arrays, name, index));
    // The differences themselves are good to about STEP^2 and 1e-16 / STEP of the objective.
    const differences = 1e-9 * (1 + Math.abs(objective(arrays)) / 10 + largest(values));
    gradients[name] = { probes, values, differences };
  }
  return { value, gradients };
}

function checkGradients(
  what: string,
  gradients: Expected['gradients'],
  found: Record<string, Float32Array>,
  exact: boolean,
  units: number,
): void {
  for (const [name, { probes, values, differences }] of Object.entries(gradients)) {
    const got = probes.map((index) => found[name]![index]!);
    const scale = units * UNIT * Math.max(largest(values), largest(found[name]!));
    if (exact) compare(`${what}: gradient of ${name}`, got, values.map(Math.round), 0);
    else compare(`${what}: gradient of ${name}`, got, values, scale + differences);
  }
}

/** Declares the tests of one operation. */
export function describeOperation<Options = undefined>(operation: OperationDescriptor<Options>): void {
  describe(operation.name, () => {
    const open = () => openDevice(DEVICE);
    let device: Device;
    beforeAll(async () => {
      device = await open();
    });
    afterAll(() => device.close());

    describe.each(operation.cases.map((one) => [one.name, one] as const))('%s', (_, one) => {
      const options = one.options as Options;
      const tolerance = one.tolerance ?? operation.tolerance;
      const differentiable = one.differentiable ?? operation.differentiable;
      const cotangent = (size: number): Float32Array =>
        Float32Array.from((one.exact ? integers : normals)([size], 7).values);
      const outcome = ({ on = device, betweenLayers = false } = {}): Promise<Outcome> =>
        evaluate(on, operation.run, one.inputs, options, differentiable, cotangent, betweenLayers);
      // Computed once: the differences call a costly reference many times.
      let expected: Expected;
      beforeAll(() => {
        expected = expectedOf(operation, one, differentiable, cotangent);
      });
      const check = ({ value, gradients }: Outcome): void => {
        const what = `${operation.name}, ${one.name}`;
        const units = unitsOf(tolerance);
        const allowed = one.exact ? 0 : units.value * UNIT * largest(expected.value);
        compare(what, value, expected.value, allowed);
        checkGradients(what, expected.gradients, gradients, one.exact ?? false, units.gradient);
      };

      it('gives the value and gradient of the reference', async () => check(await outcome()));

      if (Object.values(one.inputs).some(({ shape }) => shape.length === 4)) {
        it('does so between layers', async () => check(await outcome({ betweenLayers: true })));
      }

      it('gives the same bits again and leaves no tensor behind', async () => {
        using on = await open();
        const first = await outcome({ on });
        expect(on.memory().tensors).toBe(0);
        expect(await outcome({ on })).toEqual(first);
      });
    });

    if (operation.golden) {
      const file = new URL(`golden/${operation.name}.json`, import.meta.url);
      const golden = JSON.parse(readFileSync(file, 'utf8')) as GoldenFile<Options>;
      it.each(golden.cases.map((one) => [one.name, one] as const))(
        `agrees with PyTorch ${golden.torch}: %s`,
        async (_, one) => {
          const inputs = Object.fromEntries(
            Object.entries(one.inputs).map(([name, { dtype, shape, values }]) => [
              name,
              { shape, values: dtype === 'int32' ? Int32Array.from(values) : values },
            ]),
          );
          const { shape, value, gradients } = await evaluate(
            device,
            operation.run,
            inputs,
            one.options,
            Object.keys(one.gradients),
            () => Float32Array.from(one.cotangent),
          );
          const units = unitsOf(operation.tolerance);
          expect(shape).toEqual(one.shape);
          compare(
            `${operation.name}, ${one.name}`,
            value,
            one.value,
            units.value * UNIT * largest(one.value),
          );
          for (const [name, expected] of Object.entries(one.gradients)) {
            const what = `${operation.name}, ${one.name}: gradient of ${name}`;
            compare(what, gradients[name]!, expected, units.gradient * UNIT * largest(expected));
          }
        },
      );
    }

    for (const { name, code, call, at = 'call' } of operation.refusals ?? []) {
      it(`refuses ${name} with ${code}`, async () => {
        if (at === 'call') {
          expect(() => call(device)).toThrow(expect.objectContaining({ name: 'SpinegradError', code }));
        } else {
          const pending = call(device).data();
          await expect(pending).rejects.toMatchObject({ name: 'SpinegradError', code });
        }
      });
    }
  });
}
