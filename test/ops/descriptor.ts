/**
 * Test harness of the operations. One descriptor per operation declares these tests:
 *
 * - value: equals `reference`, a float64 implementation, on the same float32 inputs;
 * - gradient: that of sum(y * cotangent) equals central differences of the reference, for a random cotangent;
 * - layout: both also hold between two layers, where the backend chooses the layout of images;
 * - determinism: a second run gives the same bits; no tensor is leaked;
 * - golden: value and gradients equal PyTorch's in float64 (test/oracles writes test/ops/golden/<name>.json);
 * - refusals: a bad argument throws its error code at the call, or at the next read.
 *
 * Errors are measured in units of float32 rounding, u = 2^-24, relative to the largest value of the reference, as for
 * a backward-stable float32 algorithm. Cases with small integers can require equality (`exact`).
 * SPINEGRAD_TEST_DEVICE selects the device under test (default cpu).
 */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { backward } from '#spinegrad/engine/autograd.js';
import type { Device } from '#spinegrad/engine/device.js';
import type { TypedArray } from '#spinegrad/engine/dtype.js';
import { openDevice } from '#spinegrad/engine/openDevice.js';
import { mul } from '#spinegrad/engine/ops/elementwise.js';
import { maxPool2d } from '#spinegrad/engine/ops/maxPool2d.js';
import { sum } from '#spinegrad/engine/ops/sum.js';
import type { Tensor } from '#spinegrad/engine/tensor.js';
import { DEVICE } from '../device.js';

/** Numbers become float32; a typed array keeps its dtype. */
export interface Input {
  shape: readonly number[];
  values: TypedArray | readonly number[];
}

export interface NumberInput extends Input {
  values: readonly number[];
}

/** Input of the reference: the values after rounding to the tensor's dtype. */
export interface Reference {
  shape: readonly number[];
  values: Float64Array;
}

export interface Tolerance {
  /** In units of 2^-24 of the largest absolute value of the reference. */
  units: number;
  /** The same for gradients. Default: `units`. */
  gradientUnits?: number;
  /** Replaces both on a CUDA device for an operation that multiplies in TF32; see `TF32`. */
  tf32?: number;
  /** Derivation of the number. */
  reason: string;
}

export interface OperationCase<Options> {
  name: string;
  inputs: Record<string, Input>;
  options?: Options;
  /** Float32 arithmetic is exact for these inputs: value and gradient must equal the reference. */
  exact?: boolean;
  /** Replaces the list of the operation for this case. */
  differentiable?: readonly string[];
  tolerance?: Tolerance;
  /** Number of values of each gradient that are checked, drawn at random. Default 64; lower it for slow references. */
  probes?: number;
}

export interface Refusal {
  name: string;
  code: `ERR_${string}`;
  call: (device: Device) => Tensor;
  /** Whether the call throws or the next read rejects. Default: call. */
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

const GOLDEN_VALUES = { float32: Float32Array, int32: Int32Array, uint8: Uint8Array };

interface GoldenFile<Options> {
  torch: string;
  cases: {
    name: string;
    inputs: Record<string, { dtype: keyof typeof GOLDEN_VALUES; shape: number[]; values: number[] }>;
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

/** Random integers from low to high, inclusive. */
export function integers(shape: readonly number[], seed: number, low = -3, high = 3): NumberInput {
  const next = uniforms(seed);
  const values = Array.from({ length: count(shape) }, () => low + Math.floor(next() * (high - low + 1)));
  return { shape, values };
}

/** Normally distributed numbers with mean 0. */
export function normals(shape: readonly number[], seed: number, deviation = 1): NumberInput {
  const next = uniforms(seed);
  const normal = (): number => Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next());
  return { shape, values: Array.from({ length: count(shape) }, () => deviation * normal()) };
}

/** Shuffled multiples of `step`, offset by step / 2: all values differ, and none is within step / 4 of 0. */
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
 * Tolerance of sums of products in TF32, in units. Both factors round to 11 significant bits, so the relative error of
 * a product is at most 2^-10, or 2^14 units. The errors have random signs, like the products, so both sums grow with
 * the square root of the number of terms. Additions are in float32.
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
    const [a, b] = [found[i]!, expected[i]!];
    const equal = Object.is(a, b) || a === b || Math.abs(a - b) <= allowed;
    if (!equal) expect.fail(`${what}[${i}]: found ${a}, expected ${b} within ${allowed} (off by ${a - b})`);
  }
}

const largest = (values: ArrayLike<number>): number =>
  Array.from(values).reduce(
    (max, value) => (Number.isFinite(value) ? Math.max(max, Math.abs(value)) : max),
    0,
  );

const isImage = (tensor: Tensor): boolean => tensor.shape.length === 4 && tensor.dtype === 'float32';

/** A layer that keeps all values and outputs images in the backend's layout. */
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
  return difference === 0 ? 0 : difference / (high - low); // 0 also for an ignored NaN input
}

/** Expected value and gradients of a case, computed by the reference. */
interface Expected {
  value: ArrayLike<number>;
  gradients: Record<string, { probes: number[]; values: number[]; differences: number }>;
}

function expectedOf<Options>(
  { reference }: OperationDescriptor<Options>,
  { inputs, options, probes: maxProbes = PROBES }: OperationCase<Options>,
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
      size <= maxProbes
        ? [...Array(size).keys()]
        : Array.from({ length: maxProbes }, () => Math.floor(next() * size));
    const values = probes.map((index) => derivative(objective, arrays, name, index));
    // The error of central differences is about STEP^2 and 1e-16 / STEP of the objective.
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
    const probed = probes.map((index) => found[name]![index]!);
    const scale = units * UNIT * Math.max(largest(values), largest(found[name]!));
    if (exact) compare(`${what}: gradient of ${name}`, probed, values.map(Math.round), 0);
    else compare(`${what}: gradient of ${name}`, probed, values, scale + differences);
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

    describe.each(operation.cases.map((testCase) => [testCase.name, testCase] as const))(
      '%s',
      (_, testCase) => {
        const options = testCase.options as Options;
        const tolerance = testCase.tolerance ?? operation.tolerance;
        const differentiable = testCase.differentiable ?? operation.differentiable;
        const cotangent = (size: number): Float32Array =>
          Float32Array.from((testCase.exact ? integers : normals)([size], 7).values);
        const outcome = ({ on = device, betweenLayers = false } = {}): Promise<Outcome> =>
          evaluate(on, operation.run, testCase.inputs, options, differentiable, cotangent, betweenLayers);
        // Computed once per case, because central differences call the reference many times.
        let expected: Expected;
        beforeAll(() => {
          expected = expectedOf(operation, testCase, differentiable, cotangent);
        });
        const check = ({ value, gradients }: Outcome): void => {
          const what = `${operation.name}, ${testCase.name}`;
          const units = unitsOf(tolerance);
          const allowed = testCase.exact ? 0 : units.value * UNIT * largest(expected.value);
          compare(what, value, expected.value, allowed);
          checkGradients(what, expected.gradients, gradients, testCase.exact ?? false, units.gradient);
        };

        it('gives the value and gradient of the reference', async () => check(await outcome()));

        if (Object.values(testCase.inputs).some(({ shape }) => shape.length === 4)) {
          it('gives the value and gradient of the reference between two layers', async () =>
            check(await outcome({ betweenLayers: true })));
        }

        it('gives the same bits in a second run and leaks no tensor', async () => {
          using on = await open();
          const first = await outcome({ on });
          expect(on.memory().tensors).toBe(0);
          expect(await outcome({ on })).toEqual(first);
        });
      },
    );

    if (operation.golden) {
      const file = new URL(`golden/${operation.name}.json`, import.meta.url);
      const golden = JSON.parse(readFileSync(file, 'utf8')) as GoldenFile<Options>;
      it.each(golden.cases.map((testCase) => [testCase.name, testCase] as const))(
        `agrees with PyTorch ${golden.torch}: %s`,
        async (_, testCase) => {
          const inputs = Object.fromEntries(
            Object.entries(testCase.inputs).map(([name, { dtype, shape, values }]) => [
              name,
              { shape, values: GOLDEN_VALUES[dtype].from(values) },
            ]),
          );
          const { shape, value, gradients } = await evaluate(
            device,
            operation.run,
            inputs,
            testCase.options,
            Object.keys(testCase.gradients),
            () => Float32Array.from(testCase.cotangent),
          );
          const units = unitsOf(operation.tolerance);
          expect(shape).toEqual(testCase.shape);
          compare(
            `${operation.name}, ${testCase.name}`,
            value,
            testCase.value,
            units.value * UNIT * largest(testCase.value),
          );
          for (const [name, expected] of Object.entries(testCase.gradients)) {
            const what = `${operation.name}, ${testCase.name}: gradient of ${name}`;
            compare(what, gradients[name]!, expected, units.gradient * UNIT * largest(expected));
          }
        },
      );
    }

    for (const { name, code, call, at = 'call' } of operation.refusals ?? []) {
      it(`throws ${code} for ${name}`, async () => {
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
