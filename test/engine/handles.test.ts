import { describe, expect, it } from 'vitest';
import { type DeviceHandle, native, type TensorHandle } from '#spinegrad/engine/native.js';

const code = (value: string) => expect.objectContaining({ code: value });

describe('a native handle', () => {
  it('of another kind, or another value, throws ERR_INVALID_HANDLE', () => {
    const device = native.open('cpu', 1, false, 0);
    const tensor = native.tensor(device, undefined, 0, 2);
    const relu = native.contracts(device).findIndex(({ name }) => name === 'relu.forward');
    for (const value of [undefined, null, 1, 'tensor', {}, [], () => 0, new ArrayBuffer(8), device]) {
      const handle = value as unknown as TensorHandle;
      expect(() => native.release(handle)).toThrow(code('ERR_INVALID_HANDLE'));
      expect(() => native.enqueue(device, relu, undefined, tensor, handle ?? device)).toThrow(
        code('ERR_INVALID_HANDLE'),
      );
      expect(() => native.tensor(device, handle ?? device, 0, 2)).toThrow(code('ERR_INVALID_HANDLE'));
    }
    expect(() => native.memory(tensor as unknown as DeviceHandle)).toThrow(code('ERR_INVALID_HANDLE'));
    native.close(device);
  });

  it('of a released tensor is reused by the next one, with a new shape and dtype', async () => {
    const device = native.open('cpu', 1, false, 0);
    const first = native.tensor(device, undefined, 0, 2, 3);
    native.write(device, first, new Float32Array(6).fill(7));
    native.release(first);
    native.release(first);
    expect(() => native.read(device, first, new ArrayBuffer(24))).toThrow(code('ERR_DISPOSED'));
    expect(native.memory(device)[3]).toBe(0);
    const second = native.tensor(device, first, 1, 5);
    expect(second).toBe(first);
    native.write(device, second, Int32Array.of(1, 2, 3, 4, 5));
    const values = new Int32Array(await native.read(device, second, new ArrayBuffer(20)));
    expect([...values]).toEqual([1, 2, 3, 4, 5]);
    expect(native.memory(device)[3]).toBe(1);
    native.close(device);
  });
});
