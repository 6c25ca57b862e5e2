import { totalmem } from 'node:os';
import { describe, expect, it } from 'vitest';
import type { Device } from '#spinegrad/engine/device.js';
import { type DeviceKind, openDevice } from '#spinegrad/engine/openDevice.js';
import { add } from '#spinegrad/engine/ops/elementwise.js';
import { gather } from '#spinegrad/engine/ops/gather.js';

const code = (value: string) => expect.objectContaining({ name: 'SpinegradError', code: value });

describe('openDevice', () => {
  it('opens the CPU for auto and states the reason', async () => {
    using device = await openDevice('auto');
    expect(device.name).toBe('cpu');
    expect(device.reason).toMatch(/auto uses the CPU; CUDA has not been verified/);
    expect(device.description).toMatch(/^CPU, \d+ threads?, /);
  });

  it('rejects an unavailable device, an unknown kind and invalid threads', async () => {
    await expect(openDevice('cuda:999')).rejects.toEqual(code('ERR_DEVICE_UNAVAILABLE'));
    for (const kind of ['tpu', 'cuda:', 'cuda:-1', 'cuda:1x', '']) {
      await expect(openDevice(kind as DeviceKind)).rejects.toEqual(code('ERR_ARGUMENT'));
    }
    for (const threads of [0, -1, 1.5, 5000, Number.NaN]) {
      await expect(openDevice('cpu', { threads })).rejects.toEqual(code('ERR_ARGUMENT'));
    }
  });

  it('opens and closes a hundred devices in a row', async () => {
    for (let i = 0; i < 100; i++) {
      using device = await openDevice('cpu', { threads: 1 });
      using x = device.full([8], i);
      expect((await x.data())[7]).toBe(i);
    }
  });

  it('throws ERR_DEVICE for tensors of two devices', async () => {
    using one = await openDevice('cpu');
    using two = await openDevice('cpu');
    expect(() => add(one.zeros([1]), two.zeros([1]))).toThrow(code('ERR_DEVICE'));
  });

  it('reports memory in use, the peak, and memory cached for reuse', async () => {
    using device = await openDevice('cpu');
    const x = device.zeros([1 << 16]);
    await device.synchronize();
    const { bytesInUse, peakBytes } = device.memory();
    expect(bytesInUse).toBeGreaterThanOrEqual(4 << 16);
    x.dispose();
    await device.synchronize();
    expect(device.memory().bytesInUse).toBeLessThan(4 << 16);
    expect(device.memory().peakBytes).toBeGreaterThanOrEqual(peakBytes);
    expect(device.memory().cachedBytes).toBeGreaterThanOrEqual(4 << 16);
  });
});

describe('memory kept for reuse', () => {
  /** Disposes tensors of the given megabytes, in this order. */
  async function dispose(device: Device, ...megabytes: number[]): Promise<void> {
    const tensors = megabytes.map((count) => device.zeros([count << 18]));
    await device.synchronize();
    for (const tensor of tensors) tensor.dispose();
  }
  const cachedMegabytes = (device: Device): number => Math.floor(device.memory().cachedBytes / 2 ** 20);

  it('is at most maxCachedBytes, the most recently disposed', async () => {
    using device = await openDevice('cpu', { maxCachedBytes: 24 << 20 });
    await dispose(device, ...Array(10).fill(4), 9, 11);
    expect(cachedMegabytes(device)).toBe(9 + 11 + 4);
    const tensors = [4, 9, 11].map((count) => device.zeros([count << 18]));
    await device.synchronize();
    expect(cachedMegabytes(device)).toBe(0);
    for (const tensor of tensors) tensor.dispose();
    await dispose(device, 25);
    expect(cachedMegabytes(device)).toBe(0);
  });

  it('is by default at most an eighth of the memory', async () => {
    using device = await openDevice('cpu', { threads: 1 });
    expect(device.properties.maxCachedBytes).toBeGreaterThan(0);
    expect(device.properties.maxCachedBytes).toBeLessThanOrEqual(totalmem() / 8);
  });

  it('is freed by trim(), after the calls enqueued before', async () => {
    using device = await openDevice('cpu');
    await dispose(device, 1, 64);
    const x = device.zeros([64 << 18]);
    x.dispose();
    device.trim();
    await device.synchronize();
    expect(device.memory().cachedBytes).toBeLessThan(1000);
    device.trim();
    await device.synchronize();
  });

  it.each([-1, 1.5, Number.NaN, Infinity, '1'])('cannot be bounded by %s', async (maxCachedBytes) => {
    const opened = openDevice('cpu', { maxCachedBytes: maxCachedBytes as number });
    await expect(opened).rejects.toMatchObject({
      code: 'ERR_ARGUMENT',
      message: expect.stringContaining('maxCachedBytes: expected an integer >= 0'),
    });
  });
});

describe('an error of the queue', () => {
  it('rejects the next read, skips the operations enqueued after it, and then is cleared', async () => {
    using device = await openDevice('cpu');
    const x = device.tensor([1, 2]);
    const fine = device.tensor([7]);
    const wrong = gather(x, device.tensor(Int32Array.of(5)));
    const dependent = add(wrong, wrong);
    await expect(fine.data()).rejects.toMatchObject({
      code: 'ERR_INDEX',
      message: expect.stringContaining('found 5'),
    });
    expect(await fine.data()).toEqual(Float32Array.of(7));
    await expect(dependent.data()).rejects.toEqual(code('ERR_UNINITIALISED'));
    using sum = add(fine, fine);
    expect(await sum.item()).toBe(14);
  });

  it('is thrown by a blocking read', async () => {
    using device = await openDevice('cpu');
    const wrong = gather(device.tensor([1, 2]), device.tensor(Int32Array.of(-1)));
    expect(() => wrong.dataSync()).toThrow(code('ERR_INDEX'));
    await device.synchronize();
  });

  it('rejects only the first of several pending reads', async () => {
    using device = await openDevice('cpu');
    const fine = device.tensor([7]);
    gather(fine, device.tensor(Int32Array.of(9)));
    const results = await Promise.allSettled([fine.data(), fine.data(), fine.data()]);
    expect(results.map(({ status }) => status)).toEqual(['rejected', 'fulfilled', 'fulfilled']);
  });
});

describe('a closed device', () => {
  it('throws ERR_DEVICE_CLOSED for every use, but tensors can be disposed', async () => {
    const device = await openDevice('cpu');
    const x = device.zeros([2]);
    device.close();
    device.close();
    expect(() => device.zeros([2])).toThrow(code('ERR_DEVICE_CLOSED'));
    expect(() => add(x, x)).toThrow(code('ERR_DEVICE_CLOSED'));
    expect(() => device.memory()).toThrow(code('ERR_DEVICE_CLOSED'));
    expect(() => x.dataSync()).toThrow(code('ERR_DEVICE_CLOSED'));
    await expect(x.data()).rejects.toEqual(code('ERR_DEVICE_CLOSED'));
    x.dispose();
  });

  it('settles all pending reads', async () => {
    const device = await openDevice('cpu');
    const x = device.zeros([1000, 1000]);
    const reads = Array.from({ length: 20 }, () => x.data());
    device.close();
    for (const { status, ...rest } of await Promise.allSettled(reads)) {
      if (status === 'rejected') expect(rest).toEqual({ reason: code('ERR_DEVICE_CLOSED') });
    }
  });
});

describe('device.time', () => {
  it('measures what its body enqueues, also when nested', async () => {
    using device = await openDevice('cpu');
    using x = device.zeros([1 << 16]);
    let inner: Promise<number> | undefined;
    const outer = await device.time(() => {
      device.full([1], 0).dispose();
      inner = device.time(() => add(x, x).dispose());
    });
    expect(await inner).toBeGreaterThan(0);
    expect(outer).toBeGreaterThanOrEqual((await inner)!);
  });

  it('rejects with the errors of the queue and of its body', async () => {
    using device = await openDevice('cpu');
    const wrong = () => void gather(device.tensor([1]), device.tensor(Int32Array.of(5)));
    await expect(device.time(wrong)).rejects.toEqual(code('ERR_INDEX'));
    expect(await device.time(() => undefined)).toBeGreaterThanOrEqual(0);
    await expect(device.time(() => void device.zeros([-1]))).rejects.toEqual(code('ERR_SHAPE'));
    await expect(device.time(async () => undefined)).rejects.toEqual(code('ERR_ASYNC_TIME'));
    await expect(device.time(() => device.close())).rejects.toEqual(code('ERR_DEVICE_CLOSED'));
  });

  it('and device.properties throw ERR_DEVICE_CLOSED after close()', async () => {
    const device = await openDevice('cpu', { threads: 1 });
    const number = expect.any(Number);
    expect(device.properties).toEqual({ threads: 1, cacheBytes: number, maxCachedBytes: number });
    device.close();
    expect(() => device.properties).toThrow(code('ERR_DEVICE_CLOSED'));
    await expect(device.time(() => undefined)).rejects.toEqual(code('ERR_DEVICE_CLOSED'));
  });
});
