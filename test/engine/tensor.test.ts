import { inspect } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Device } from '#spinegrad/engine/device.js';
import { openDevice } from '#spinegrad/engine/openDevice.js';
import { add, relu } from '#spinegrad/engine/ops/elementwise.js';
import type { Tensor } from '#spinegrad/engine/tensor.js';
import { tidy } from '#spinegrad/engine/tidy.js';
import type { TensorValues } from '#spinegrad/engine/values.js';

const code = (value: string) => expect.objectContaining({ name: 'SpinegradError', code: value });

let device: Device;
beforeEach(async () => {
  device = await openDevice('cpu');
});
afterEach(() => device.close());

function detached(length: number): Float32Array {
  const values = new Float32Array(length);
  structuredClone(values.buffer, { transfer: [values.buffer] });
  return values;
}

class WrongLength extends Float32Array {
  override get length() {
    return 2;
  }
}

describe('a tensor', () => {
  it.each([
    ['float32', Float32Array.of(1.5, -2, 3)],
    ['int32', Int32Array.of(-1, 2 ** 31 - 1, 0)],
    ['uint16', Uint16Array.of(0, 65535, 7)],
    ['uint8', Uint8Array.of(0, 255, 7)],
  ])('of %s keeps its values', async (dtype, values) => {
    using tensor = device.tensor(values, [3, 1]);
    expect(tensor.dtype).toBe(dtype);
    expect(tensor.shape).toEqual([3, 1]);
    expect(await tensor.data()).toEqual(values);
    expect(tensor.dataSync()).toEqual(values);
  });

  it('can be created from numbers, a subarray and a shared buffer', async () => {
    using plain = device.tensor([1, 2]);
    expect(await plain.data()).toEqual(Float32Array.of(1, 2));
    using part = device.tensor(Float32Array.of(1, 2, 3, 4).subarray(1, 3));
    expect(await part.data()).toEqual(Float32Array.of(2, 3));
    const shared = new Float32Array(new SharedArrayBuffer(12));
    shared.set([5, 6, 7]);
    using ofShared = device.tensor(shared);
    expect(await ofShared.data()).toEqual(Float32Array.of(5, 6, 7));
  });

  it('copies the contents of a resizable buffer at the call', async () => {
    const buffer: ArrayBuffer = Reflect.construct(ArrayBuffer, [8, { maxByteLength: 64 }]);
    const values = new Float32Array(buffer).fill(3);
    using tensor = device.tensor(values);
    (buffer as ArrayBuffer & { resize(bytes: number): void }).resize(0);
    expect(await tensor.data()).toEqual(Float32Array.of(3, 3));
    expect(() => tensor.write(values)).toThrow(code('ERR_SHAPE'));
  });

  it('copies the values at the call', async () => {
    const values = Float32Array.of(1, 2);
    using tensor = device.tensor(values);
    values.fill(9);
    expect(await tensor.data()).toEqual(Float32Array.of(1, 2));
  });

  it('is written in queue order', async () => {
    using tensor = device.tensor([1]);
    using before = add(tensor, tensor);
    tensor.write(Float32Array.of(10));
    using after = add(tensor, tensor);
    expect(await before.item()).toBe(2);
    expect(await after.item()).toBe(20);
  });

  it('can be a scalar', async () => {
    using scalar = device.tensor([4], []);
    expect(scalar.size).toBe(1);
    expect(await scalar.item()).toBe(4);
    await expect(device.zeros([2]).item()).rejects.toEqual(code('ERR_SHAPE'));
  });

  it.each([
    ['a negative size', () => device.zeros([-1])],
    ['a size of 0', () => device.zeros([2, 0])],
    ['an array with holes', () => device.zeros(new Array(2))],
    ['an empty array', () => device.tensor([])],
    ['an array with a detached buffer', () => device.tensor(detached(2), [2])],
    ['an array with a wrong length', () => device.tensor(new WrongLength(1), [2])],
    ['a fraction', () => device.zeros([1.5])],
    ['seven axes', () => device.zeros([1, 1, 1, 1, 1, 1, 1])],
    ['a number instead of an array', () => device.zeros(3 as unknown as number[])],
    ['more elements than can be addressed', () => device.zeros([2 ** 30, 2 ** 30])],
    ['too few values', () => device.tensor([1, 2], [3])],
    ['a write of another length', () => device.zeros([2]).write(new Float32Array(3))],
  ])('throws ERR_SHAPE for %s', (_, make) => {
    const before = device.memory().tensors;
    expect(make).toThrow(code('ERR_SHAPE'));
    expect(device.memory().tensors - before).toBeLessThanOrEqual(1);
  });

  it.each<[string, unknown]>([
    ['a Uint32Array', new Uint32Array(2)],
    ['a BigInt64Array', new BigInt64Array(2)],
    ['a DataView', new DataView(new ArrayBuffer(8))],
    ['undefined', undefined],
    ['typed arrays in an array', [new Float32Array(1), new Float32Array(1)]],
    ['nested strings', [['1'], ['2']]],
    ['an array and a number', [1, [2]]],
    ['strings', ['1', '2']],
    ['bigints', [1n, 2n]],
    ['an array with holes', new Array(2)],
    ['a proxy of an array', new Proxy(new Float32Array(2), {})],
    [
      'an object with the prototype of an array',
      Object.create(Float32Array.prototype, { length: { value: 2 } }),
    ],
  ])('throws ERR_DTYPE for values that are %s', (_, values) => {
    expect(() => device.tensor(values as number[], [2])).toThrow(code('ERR_DTYPE'));
    expect(() => device.zeros([2]).write(values as Float32Array)).toThrow(code('ERR_DTYPE'));
  });

  it.each<[string, TensorValues, string, number[], number[]]>([
    [
      'nested arrays',
      [
        [1, 2, 3],
        [4, 5, 6],
      ],
      'float32',
      [2, 3],
      [1, 2, 3, 4, 5, 6],
    ],
    ['arrays nested three deep', [[[1], [Number.NaN]]], 'float32', [1, 2, 1], [1, Number.NaN]],
    ['a Float64Array', Float64Array.of(0.1, 2 ** 60), 'float32', [2], [Math.fround(0.1), 2 ** 60]],
    ['an Int8Array', Int8Array.of(-128, 127), 'int32', [2], [-128, 127]],
    ['an Int16Array', Int16Array.of(-32768, 32767), 'int32', [2], [-32768, 32767]],
    ['a Uint8ClampedArray', Uint8ClampedArray.of(0, 255), 'uint8', [2], [0, 255]],
  ])('is made of %s', async (_, values, dtype, shape, expected) => {
    using tensor = device.tensor(values);
    expect([tensor.dtype, tensor.shape]).toEqual([dtype, shape]);
    expect([...(await tensor.data())]).toEqual(expected);
    using flat = device.tensor(values, [expected.length]);
    expect(flat.shape).toEqual([expected.length]);
  });

  it.each([
    ['rows of different lengths', [[1, 2], [3]]],
    ['a row that is missing', [[1], 2]],
    ['seven levels', [[[[[[[1]]]]]]]],
    ['an empty row', [[]]],
  ])('refuses nested arrays with %s', (_, values) => {
    expect(() => device.tensor(values as TensorValues)).toThrow(code('ERR_SHAPE'));
  });

  it('has a read-only shape, which it reads once', () => {
    const tensor = device.zeros([4]) as { -readonly [Key in keyof Tensor]: Tensor[Key] };
    expect(() => {
      tensor.shape = [1 << 20];
    }).toThrow(TypeError);
    const sizes = [4];
    let reads = 0;
    Object.defineProperty(sizes, 0, { get: () => (reads++ === 0 ? 4 : 1 << 20) });
    expect(device.zeros(sizes).shape).toEqual([4]);
  });

  it('accepts only gradients of its own shape and device', async () => {
    using other = await openDevice('cpu');
    const tensor = device.zeros([4]);
    const set = (gradient: unknown) => () => {
      tensor.grad = gradient as Tensor;
    };
    expect(set(device.zeros([1]))).toThrow(code('ERR_SHAPE'));
    expect(set(other.zeros([4]))).toThrow(code('ERR_DEVICE'));
    expect(set(5)).toThrow(code('ERR_ARGUMENT'));
    expect(set(device.zeros([4]))).not.toThrow();
  });

  it('is counted only by its own device', async () => {
    using other = await openDevice('cpu');
    using _ = other.zeros([1]);
    expect([device.memory().tensors, other.memory().tensors]).toEqual([0, 1]);
  });

  it('that exceeds memory rejects the read with ERR_OUT_OF_MEMORY', async () => {
    using huge = device.zeros([2 ** 20, 2 ** 16]);
    await expect(huge.data()).rejects.toEqual(code('ERR_OUT_OF_MEMORY'));
    expect(() => huge.dataSync()).toThrow(code('ERR_OUT_OF_MEMORY'));
    await expect(device.synchronize()).rejects.toEqual(code('ERR_OUT_OF_MEMORY'));
    await device.synchronize();
  });
});

describe('the lifetime of a tensor', () => {
  it('ends with dispose(), which frees its memory once', async () => {
    await device.synchronize();
    const before = device.memory();
    const tensor = device.zeros([1000]);
    await device.synchronize();
    expect(device.memory().bytesInUse).toBeGreaterThanOrEqual(before.bytesInUse + 4000);
    expect(device.memory().tensors).toBe(before.tensors + 1);
    tensor.dispose();
    tensor.dispose();
    await device.synchronize();
    expect(tensor.disposed).toBe(true);
    expect(device.memory().tensors).toBe(before.tensors);
    expect(device.memory().bytesInUse).toBeLessThan(before.bytesInUse + 4000);
  });

  it('ends with ERR_DISPOSED for every use after dispose()', async () => {
    const tensor = device.zeros([2]);
    tensor.dispose();
    await expect(tensor.data()).rejects.toEqual(code('ERR_DISPOSED'));
    expect(() => tensor.dataSync()).toThrow(code('ERR_DISPOSED'));
    expect(() => tensor.write(new Float32Array(2))).toThrow(code('ERR_DISPOSED'));
    expect(() => relu(tensor)).toThrow(code('ERR_DISPOSED'));
  });

  it('can end while enqueued operations still use it', async () => {
    const x = device.full([1000], 3);
    using y = add(x, x);
    x.dispose();
    expect((await y.data())[999]).toBe(6);
  });

  it('can end while a read is pending, which still gives its values', async () => {
    const x = device.full([4], 3);
    const pending = x.data();
    x.dispose();
    expect(await pending).toEqual(new Float32Array(4).fill(3));
  });

  it('ends with the block of `using`', () => {
    const before = device.memory().tensors;
    {
      using tensor = device.zeros([2]);
      expect(tensor.disposed).toBe(false);
    }
    expect(device.memory().tensors).toBe(before);
  });
});

it('is printed with its dtype, shape and device, and without its values', () => {
  using x = device.zeros([2, 3]);
  expect(inspect({ x })).toBe('{ x: Tensor(float32, [2, 3], cpu) }');
  x.dispose();
  expect(inspect(x)).toBe('Tensor(float32, [2, 3], cpu, disposed)');
});

describe('tidy', () => {
  it('keeps the tensors that the body returns, also in arrays and objects, and frees the others', () => {
    const before = device.memory().tensors;
    const { a, list } = tidy(() => {
      device.zeros([1]);
      return { a: device.zeros([2]), list: [device.zeros([3])], text: 'x', nothing: undefined };
    });
    expect(device.memory().tensors).toBe(before + 2);
    for (const tensor of [a, ...list]) tensor.dispose();
    expect(device.memory().tensors).toBe(before);
  });

  it('passes the result of an inner call to the outer one', () => {
    const before = device.memory().tensors;
    tidy(() => {
      tidy(() => device.zeros([1]));
    });
    expect(device.memory().tensors).toBe(before);
  });

  it('does not free kept tensors', () => {
    const before = device.memory().tensors;
    let kept: Tensor | undefined;
    tidy(() => {
      kept = tidy(() => device.zeros([1]).keep());
    });
    expect(kept!.disposed).toBe(false);
    kept!.dispose();
    expect(device.memory().tensors).toBe(before);
  });

  it('does not free tensors created outside the body', () => {
    using outside = device.zeros([1]);
    tidy(() => {
      tidy(() => outside);
    });
    expect(outside.disposed).toBe(false);
  });

  it('frees all tensors if the body throws', () => {
    const before = device.memory().tensors;
    expect(() =>
      tidy(() => {
        device.zeros([1]);
        throw new Error('no');
      }),
    ).toThrow('no');
    expect(device.memory().tensors).toBe(before);
  });

  it('throws ERR_ASYNC_TIDY for an asynchronous body', () => {
    expect(() => tidy(async () => 1)).toThrow(code('ERR_ASYNC_TIDY'));
  });

  it('keeps tensors in a Map, a Set and an object of a class', () => {
    const before = device.memory().tensors;
    class Pair {
      first = device.zeros([1]);
      others = new Set([device.zeros([2])]);
    }
    const { map, pair } = tidy(() => {
      device.zeros([9]);
      return { map: new Map([[device.zeros([3]), [device.zeros([4])]]]), pair: new Pair() };
    });
    const kept = [pair.first, ...pair.others, ...map.keys(), ...[...map.values()].flat()];
    expect(kept.map(({ disposed }) => disposed)).toEqual([false, false, false, false]);
    expect(device.memory().tensors).toBe(before + 4);
    for (const tensor of kept) tensor.dispose();
  });

  it('returns values without tensors unchanged, also cyclic ones', () => {
    const plain: { self?: object } = {};
    plain.self = plain;
    expect(tidy(() => plain)).toBe(plain);
    class Cycle {
      self = this;
    }
    const cycle = new Cycle();
    expect(tidy(() => cycle)).toBe(cycle);
    const values = new Float32Array(3);
    expect(tidy(() => values)).toBe(values);
  });
});
