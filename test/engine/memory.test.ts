/** Memory of long runs, measured in separate processes. */
import { describe, expect, it } from 'vitest';
import { runModule } from './child.js';

const TRAIN = `
  import { backward } from '#spinegrad/engine/autograd.js';
  import { openDevice } from '#spinegrad/engine/openDevice.js';
  import { conv2d } from '#spinegrad/engine/ops/conv2d.js';
  import { dropout } from '#spinegrad/engine/ops/dropout.js';
  import { clipGradNorm } from '#spinegrad/engine/ops/clipGradNorm.js';
  import { globalAvgPool2d } from '#spinegrad/engine/ops/globalAvgPool2d.js';
  import { linear } from '#spinegrad/engine/ops/linear.js';
  import { mul, relu } from '#spinegrad/engine/ops/elementwise.js';
  import { sum } from '#spinegrad/engine/ops/sum.js';
  import { AdamW } from '#spinegrad/optim/adamW.js';
  const device = await openDevice('cpu', { threads: 1 });
  const parameter = (shape, value) => Object.assign(device.full(shape, value), { requiresGrad: true });
  const parameters = new Map(Object.entries({
    conv: parameter([4, 1, 3, 3], 0.1), weight: parameter([3, 4], 0.1), bias: parameter([3], 0),
  }));
  const optimizer = new AdamW(parameters);
  const train = async (from, to) => {
    for (let step = from; step < to; step++) {
      const x = device.tensor(new Float32Array(2 * 64).fill(step % 7), [2, 1, 8, 8]);
      const { conv, weight, bias } = Object.fromEntries(parameters);
      const hidden = dropout(globalAvgPool2d(relu(conv2d(x, conv, { padding: 1 }))), { p: 0.1, seed: 1, step });
      const y = linear(hidden, weight, bias);
      const loss = sum(mul(y, y));
      optimizer.zeroGrad();
      backward(loss);
      clipGradNorm(parameters.values(), 1).dispose();
      optimizer.step();
      x.dispose();
      if (step % 10 === 9) await loss.data();
      loss.dispose();
    }
    await device.synchronize();
    global.gc();
    await new Promise(setImmediate); // runs the collector's finalizers
    return { ...device.memory(), rss: process.memoryUsage().rss };
  };
`;

/** Defines `limit(bytes)`, which bounds what the process may still allocate. */
const LIMITED = `
  import { execFileSync } from 'node:child_process';
  import { readFileSync } from 'node:fs';
  import { openDevice } from '#spinegrad/engine/openDevice.js';
  const limit = (bytes) => {
    const [, kilobytes] = /VmSize:\\s*(\\d+)/.exec(readFileSync('/proc/self/status', 'utf8'));
    execFileSync('prlimit', ['--pid', process.pid, '--as=' + (1024 * kilobytes + bytes)]);
  };
`;

describe('memory', () => {
  it('does not grow in ten thousand steps of a small network', async () => {
    const code = `${TRAIN} console.log(JSON.stringify([await train(0, 1000), await train(1000, 10_000)]));`;
    const { status, output } = await runModule(code, { flags: ['--expose-gc'] });
    expect(output).toMatch(/^\[/);
    expect(status).toBe(0);
    const [early, late] = JSON.parse(output);
    expect(late.tensors).toBe(early.tensors);
    expect(late.bytesInUse).toBe(early.bytesInUse);
    // JavaScript is up to ten steps ahead of the queue, so the peak is that of one to ten steps.
    expect(late.peakBytes).toBeLessThan(2 * early.peakBytes);
    expect(late.cachedBytes).toBeLessThan(2 * early.peakBytes);
    expect(late.rss - early.rss).toBeLessThan(16e6);
  });

  it('causes at most one mark-compact in ten steps that dispose their tensors', async () => {
    const code = `
      import { PerformanceObserver, constants } from 'node:perf_hooks';
      import { setImmediate } from 'node:timers/promises';
      import { backward } from '#spinegrad/engine/autograd.js';
      import { openDevice } from '#spinegrad/engine/openDevice.js';
      import { relu } from '#spinegrad/engine/ops/elementwise.js';
      import { sum } from '#spinegrad/engine/ops/sum.js';
      const device = await openDevice('cpu');
      let collections = 0;
      new PerformanceObserver((list) => {
        for (const { detail } of list.getEntries()) {
          if (detail.kind === constants.NODE_PERFORMANCE_GC_MAJOR) collections++;
        }
      }).observe({ entryTypes: ['gc'] });
      const x = device.full([64, 16, 32, 32], 1);
      x.requiresGrad = true;
      for (let step = 0; step < 40; step++) {
        let y = x;
        for (let layer = 0; layer < 32; layer++) y = relu(y); // 134 MB
        const loss = sum(y);
        backward(loss);
        await loss.data();
        loss.dispose();
        x.grad.dispose();
        x.grad = undefined;
        await setImmediate();
      }
      console.log(collections);
    `;
    const { status, output } = await runModule(code);
    expect(status, output).toBe(0);
    expect(Number(output)).toBeLessThanOrEqual(4);
  });

  it.each([
    ['', ''],
    [' after a larger tensor was disposed', 'device.zeros([1 << 26]).dispose();'],
  ])('is freed by the garbage collector if a loop disposes nothing%s', async (_, before) => {
    const code = `
      import { openDevice } from '#spinegrad/engine/openDevice.js';
      const device = await openDevice('cpu');
      ${before}
      const maxima = [0, 0];
      for (let i = 0; i < 1500; i++) { // 6.3 GB
        await device.zeros([1 << 20]).data();
        const half = i < 750 ? 0 : 1;
        maxima[half] = Math.max(maxima[half], device.memory().bytesInUse);
      }
      console.log(JSON.stringify(maxima));
    `;
    const { status, output } = await runModule(code);
    expect(status, output).toBe(0);
    const [early, late] = JSON.parse(output);
    expect(early).toBeLessThan(1e9);
    expect(late).toBeLessThan(1.25 * early);
  });

  it.each([
    ['the same device', 'device'],
    ['another device', "await openDevice('cpu', { threads: 1 })"],
  ])('that %s caches is freed if there is no other', async (_, user) => {
    const code = `${LIMITED}
      const device = await openDevice('cpu', { threads: 1, maxCachedBytes: 1e10 });
      const user = ${user};
      const tensors = Array.from({ length: 100 }, () => device.zeros([1 << 20]));
      await Promise.all([device.synchronize(), user.synchronize()]);
      for (const tensor of tensors) tensor.dispose();
      const before = device.memory().cachedBytes;
      limit(2e8);
      const large = user.full([1 << 26], 3); // 268 MB
      await user.synchronize();
      const after = device.memory().cachedBytes;
      user.full([1 << 28], 3);
      const { code, message } = await user.synchronize().catch((error) => error);
      console.log(JSON.stringify({ before, after, code, message }));
    `;
    const { status, output } = await runModule(code);
    expect(status, output).toBe(0);
    const { before, after, ...error } = JSON.parse(output);
    expect(before).toBeGreaterThan(4e8);
    expect(after).toBeLessThan(1e6);
    expect(error.code).toBe('ERR_OUT_OF_MEMORY');
    expect(error.message).toContain('dispose tensors earlier, with tidy() or `using`');
  });

  it('of a synchronous loop that disposes nothing is reported once, before the loop ends', async () => {
    const code = `
      import { totalmem } from 'node:os';
      import { openDevice } from '#spinegrad/engine/openDevice.js';
      const warnings = [];
      process.on('warning', ({ name, code, message }) => warnings.push({ name, code, message }));
      const device = await openDevice('cpu', { threads: 1 });
      for (let bytes = 0; bytes < totalmem(); bytes += 2 ** 28) device.empty([2 ** 26]); // gets no memory before a write
      console.log(JSON.stringify({ warnings, memory: totalmem() }));
    `;
    const { status, output } = await runModule(code, { flags: ['--no-warnings'] });
    expect(status, output).toBe(0);
    const { warnings, memory } = JSON.parse(output);
    expect(warnings).toEqual([
      {
        name: 'SpinegradWarning',
        code: 'SPINEGRAD_HELD_TENSORS',
        message: expect.stringMatching(/^\d+ tensors with [\d.]+ GB are not disposed\. .*tidy\(\).*`using`/),
      },
    ]);
    const [, tensors, gigabytes] = /^(\d+) tensors with ([\d.]+) GB/.exec(warnings[0].message)!;
    expect(Number(gigabytes)).toBeCloseTo((Number(tensors) * 2 ** 28) / 1e9, 1);
    expect(Number(gigabytes)).toBeLessThan(memory / 4e9 + 0.3);
  });

  it('that a call cannot get is an ERR_OUT_OF_MEMORY', async () => {
    const code = `${LIMITED}
      const device = await openDevice('cpu', { threads: 1 });
      const x = device.zeros([1 << 26]);
      await device.synchronize();
      const values = new Float32Array(1 << 26);
      limit(1e8);
      try {
        x.write(values);
      } catch ({ code, message }) {
        console.log(code, message);
      }
    `;
    const { status, output } = await runModule(code);
    expect(status, output).toBe(0);
    expect(output).toMatch(/^ERR_OUT_OF_MEMORY the process has no memory left for this call; /);
  });
});
