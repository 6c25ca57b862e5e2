/** Contracts of the native operations: TypeScript and the addon declare the same fields, and each call must match them. */
import { readdirSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checkContract, contract, contracts } from '#spinegrad/engine/contract.js';
import { type NativeContract, native } from '#spinegrad/engine/native.js';
import { openDevice } from '#spinegrad/engine/openDevice.js';

// Each operation defines its contracts when its file is imported.
for (const file of readdirSync(new URL('../../ts/engine/ops/', import.meta.url))) {
  await import(`#spinegrad/engine/ops/${file.replace('.ts', '.js')}`);
}
const defined = [...contracts()];
// Opened before the tests define a contract that the addon does not have.
const open = await openDevice('cpu', { threads: 1 });
afterAll(() => open.close());

describe('the contracts of TypeScript', () => {
  const SIMULATOR = process.env.SPINEGRAD_CUDA_LIBRARY;
  beforeAll(() => {
    process.env.SPINEGRAD_CUDA_LIBRARY = SIMULATOR ?? 'build/Release/libcuda-simulator.so';
  });
  afterAll(() => {
    if (SIMULATOR === undefined) delete process.env.SPINEGRAD_CUDA_LIBRARY;
  });

  it.each(['cpu', 'cuda:0'])('equal those of all operations of the %s device', (kind) => {
    const device = native.open(kind, 0, false, 0);
    const found = native.contracts(device);
    native.close(device);
    expect(found.length).toBeGreaterThan(40);
    expect(found.map(({ name }) => name).sort()).toEqual(
      [...new Set(defined.map(({ name }) => name))].sort(),
    );
    for (const definition of defined)
      checkContract(
        definition,
        found.find(({ name }) => name === definition.name),
      );
  });
});

describe('a contract that differs from the native one', () => {
  const PRODUCT = contract('product.forward', {
    a: 'input',
    bias: 'input?',
    y: 'output',
    count: 'integer',
    mode: ['one', 'two'],
  });
  const described = (changes: Record<string, string>): NativeContract => ({
    name: PRODUCT.name,
    fields: { a: 'input', bias: 'input?', y: 'output', count: 'integer', mode: 'one, two', ...changes },
  });

  it('is accepted if all fields are equal', () => checkContract(PRODUCT, described({})));

  it.each([
    ['an optional field', { bias: 'input' }, 'bias: found input in the native addon, expected input?'],
    [
      'the type of an attribute',
      { count: 'real' },
      'count: found real in the native addon, expected integer',
    ],
    [
      'the values of an enumeration',
      { mode: 'one, three' },
      'mode: found one, three in the native addon, expected one, two',
    ],
    ['an additional field', { scale: 'real' }, 'scale: found real in the native addon, expected none'],
  ])('throws ERR_CONTRACT with the name of the field: %s', (_, changes, message) => {
    expect(() => checkContract(PRODUCT, described(changes as Record<string, string>))).toThrow(
      expect.objectContaining({
        code: 'ERR_CONTRACT',
        message: expect.stringContaining(`operation product.forward, field ${message}`),
      }),
    );
  });

  it('throws ERR_CONTRACT if the native contract lacks a field', () => {
    const { y: _, ...fields } = described({}).fields;
    expect(() => checkContract(PRODUCT, { name: PRODUCT.name, fields })).toThrow(
      'field y: found none in the native addon, expected output',
    );
  });

  it('throws ERR_CONTRACT at the first call if it was defined after the device was opened', () => {
    expect(() =>
      open.run(PRODUCT, { a: open.zeros([1]), y: open.zeros([1]), count: 1, mode: 'one' }),
    ).toThrow(expect.objectContaining({ code: 'ERR_CONTRACT' }));
  });

  it('rejects openDevice with ERR_CONTRACT', async () => {
    await expect(openDevice('cpu')).rejects.toMatchObject({
      code: 'ERR_CONTRACT',
      message: expect.stringContaining('operation product.forward: found none in the native addon'),
    });
  });
});

describe('a native call', () => {
  let device: ReturnType<typeof native.open>;
  let enqueue: (name: string, attributes: number[], tensors: number) => void;
  beforeAll(() => {
    device = native.open('cpu', 1, false, 0);
    const names = native.contracts(device).map(({ name }) => name);
    const x = native.tensor(device, undefined, 0, 2);
    enqueue = (name, attributes, tensors) =>
      native.enqueue(device, names.indexOf(name), Float64Array.from(attributes), ...Array(tensors).fill(x));
  });
  afterAll(() => native.close(device));

  const CONVOLUTION = [1, 1, 0, 0, 0, 0];
  it.each([
    ['an attribute is missing', 'conv2d.dgrad', [1, 1, 0], 3, 'padW: expected a value'],
    ['there is an additional attribute', 'relu.forward', [1], 2, 'more attributes'],
    ['a tensor is missing', 'relu.forward', [], 1, 'found 1 tensors for 2 fields'],
    ['there is an additional tensor', 'relu.forward', [], 3, 'found 3 tensors for 2 fields'],
    ['lists have different lengths', 'ema.step', [0.5], 3, '3 tensors'],
    ['an integer is a fraction', 'conv2d.dgrad', [1.5, 1, 0, 0], 3, 'strideH: expected an integer'],
    ['an integer is NaN', 'conv2d.dgrad', [Number.NaN, 1, 0, 0], 3, 'strideH: expected an integer'],
    ['an integer exceeds 64 bits', 'conv2d.dgrad', [2 ** 63, 1, 0, 0], 3, 'strideH: expected an integer'],
    ['a seed exceeds 32 bits', 'dropout.forward', [0.5, 2 ** 32, 1], 2, 'seed: expected an integer from 0'],
    ['a seed is negative', 'dropout.forward', [0.5, -1, 1], 2, 'seed: expected an integer from 0'],
    ['a flag is 2', 'conv2d.fprop', CONVOLUTION.with(4, 2), 5, 'relu: expected true or false'],
    ['an enumeration value is out of range', 'mse.forward', [2], 5, 'reduction: expected one of mean, sum'],
    [
      'a list is shorter than its length',
      'focalLoss.softmaxBackward',
      [2, 0, 0, 3, 1],
      5,
      'alpha: expected a list',
    ],
  ])('throws ERR_ARGUMENT if %s', (_, name, attributes, tensors, message) => {
    expect(() => enqueue(name, attributes, tensors)).toThrow(
      expect.objectContaining({ code: 'ERR_ARGUMENT', message: expect.stringContaining(`${name}: `) }),
    );
    expect(() => enqueue(name, attributes, tensors)).toThrow(message);
  });

  it('throws without a required tensor and accepts an absent optional one', () => {
    const names = native.contracts(device).map(({ name }) => name);
    const fprop = names.indexOf('linear.fprop');
    const x = native.tensor(device, undefined, 0, 1, 1);
    native.write(device, x, Float32Array.of(1));
    const y = native.tensor(device, undefined, 0, 1, 1);
    native.enqueue(device, fprop, undefined, x, x, undefined, y);
    expect(() => native.enqueue(device, fprop, undefined, x, undefined, x, y)).toThrow(
      'weight: expected a tensor',
    );
  });

  it('throws ERR_ARGUMENT if the attributes are not a Float64Array', () => {
    for (const attributes of [[1], new Float32Array(1), {}, null, 1] as unknown as Float64Array[]) {
      expect(() => native.enqueue(device, 0, attributes)).toThrow(
        expect.objectContaining({ code: 'ERR_ARGUMENT' }),
      );
    }
  });
});
