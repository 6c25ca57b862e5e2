/**
 * How the queue of a CUDA device works with a GPU that is slower than the host, or never ends a kernel. On the null driver no
 * work ever ends if SPINEGRAD_NULL_HANG is set.
 */
import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { NULL_DRIVER } from './child.js';
import { output } from './cudaModule.js';

describe('device.close()', () => {
  it('frees the memory of tensors and captured steps that are still referenced', async () => {
    const values = await output(
      `
      const held = [];
      for (let i = 0; i < 4; i++) {
        const device = await openDevice('cuda');
        const x = device.full([5_000_000], i);
        await device.synchronize();
        const captured = await device.capture(() => add(x, device.tensor(new Float32Array(5_000_000).fill(1))));
        captured.replay();
        held.push(x, captured, (await captured.result.data())[9]);
        device.close();
      }
      console.log(JSON.stringify(held.filter((value) => typeof value === 'number')));
      for (const one of held) one.dispose?.();
    `,
      { SPINEGRAD_SIMULATOR_MEMORY: '67108864' },
    );
    expect(values).toEqual([1, 2, 3, 4]);
  });

  it('ends the process although a kernel never ends, and rejects pending reads', async () => {
    const started = performance.now();
    const codes = await output(
      `
      const device = await openDevice('cuda');
      const x = device.full([4], 1);
      const read = codeOf(() => x.data());
      const sync = codeOf(() => device.time(() => add(x, x)));
      setTimeout(async () => {
        device.close();
        console.log(JSON.stringify([(await read).code, (await sync).code]));
        process.exit(0);
      }, 100);
    `,
      { SPINEGRAD_CUDA_LIBRARY: NULL_DRIVER, SPINEGRAD_NULL_HANG: '1' },
    );
    expect(codes).toEqual(['ERR_DEVICE_CLOSED', 'ERR_DEVICE_CLOSED']);
    expect(performance.now() - started).toBeLessThan(30_000);
  });
});

describe('the queue', () => {
  /** The calls of the driver while no work ever ends. */
  async function callsOf(code: string): Promise<string[]> {
    const file = join(mkdtempSync(join(tmpdir(), 'spinegrad-calls-')), 'calls');
    await output(
      `
      const device = await openDevice('cuda');
      ${code}
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1000); // until the queue has made all calls
      device.close();
      console.log(0);
    `,
      { SPINEGRAD_CUDA_LIBRARY: NULL_DRIVER, SPINEGRAD_NULL_HANG: '1', SPINEGRAD_NULL_CALLS: file },
    );
    return readFileSync(file, 'utf8').split('\n');
  }

  it('launches the next step before the GPU has computed the values of a read', async () => {
    const calls = await callsOf(`
      const x = device.full([4], 1);
      for (let step = 0; step < 20; step++) x.data().catch(() => {});
      device.tensor(new Float32Array(1 << 21)).data().catch(() => {});
      add(x, x);
    `);
    expect(calls.filter((call) => call === 'cuMemcpyDtoHAsync 16')).toHaveLength(21 + 20); // and 21 of the status
    expect(calls.findIndex((call) => call.startsWith('cuLaunchKernel add_forward'))).toBeGreaterThan(
      calls.lastIndexOf('cuMemcpyDtoHAsync 4194304'),
    );
  });

  it('uploads the batches of many steps before the GPU has used the first', async () => {
    const calls = await callsOf(`
      for (let step = 0; step < 200; step++) device.tensor(new Float32Array(1000));
      const x = device.full([4], 1);
      add(x, x);
    `);
    expect(calls.filter((call) => call === 'cuMemcpyHtoDAsync 4000')).toHaveLength(200);
    expect(calls.findIndex((call) => call.startsWith('cuLaunchKernel add_forward'))).toBeGreaterThan(0);
  });

  it('has all kernels loaded when the device opens', async () => {
    expect(await callsOf('')).toContain('cuInit EAGER');
  });
});

describe('uploads', () => {
  it('of any size, more than the pinned memory holds, keep their values', async () => {
    const wrong = await output(`
      const device = await openDevice('cuda');
      const sizes = [3, 1 << 20, (1 << 20) + 1, 5, 3_000_000, 700_000, 1, 1_100_000, 64, 65, 900_000, 1 << 21];
      const values = sizes.map((size, seed) => Float32Array.from({ length: size }, (_, i) => ((i * 31) ^ seed) % 8191));
      const tensors = [...values, ...values].map((array) => device.tensor(array));
      const read = await Promise.all(tensors.map((tensor) => tensor.data()));
      console.log(JSON.stringify(read.map((array, i) => {
        const expected = values[i % values.length];
        return array.length === expected.length ? array.findIndex((value, j) => value !== expected[j]) : -2;
      })));
    `);
    expect(wrong).toEqual(Array(24).fill(-1));
  });
});
