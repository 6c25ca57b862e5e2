/**
 * The CUDA device except its operations, which test/ops covers with SPINEGRAD_TEST_DEVICE=cuda: opening, errors, memory,
 * captured steps, several devices. Each test runs in a separate process with a simulated driver, configured by
 * environment variables, so it neither needs nor uses a GPU.
 */
import { describe, expect, it } from 'vitest';
import { cudaKernels } from '#spinegrad/engine/openDevice.js';
import { runModule } from './child.js';
import { IMPORTS, output } from './cudaModule.js';

const open = (kind: string, env: Record<string, string> = {}) =>
  output(
    `console.log(JSON.stringify(await codeOf(async () => {
       const { name, reason, description } = await openDevice('${kind}');
       return { name, reason, description };
     })));`,
    env,
  );

const unavailable = (message: RegExp) => ({
  name: 'SpinegradError',
  code: 'ERR_DEVICE_UNAVAILABLE',
  message: expect.stringMatching(message),
});

const REASONS: [string, Record<string, string>, RegExp][] = [
  [
    'no driver',
    { SPINEGRAD_CUDA_LIBRARY: '/nowhere/libcuda.so' },
    /^SPINEGRAD_CUDA_LIBRARY: \/nowhere\/libcuda\.so: cannot open/,
  ],
  [
    'a library that is not a driver',
    { SPINEGRAD_CUDA_LIBRARY: 'libm.so.6' },
    /libm\.so\.6 has no function cuInit/,
  ],
  ['a driver without a device', { SPINEGRAD_SIMULATOR_DEVICES: '0' }, /finds no device/],
  [
    'a device without compatible kernels',
    { SPINEGRAD_SIMULATOR_FAIL: 'cuModuleLoadData=209' },
    /no (kernels for cuda:0: they are for .*, the device is spinegrad simulator|CUDA kernels)/,
  ],
  [
    'a fabric manager that does not run',
    { SPINEGRAD_SIMULATOR_FAIL: 'cuInit=802' },
    /system is not ready; .* start the service nvidia-fabricmanager$/,
  ],
  [
    'a compatibility library for another GPU',
    { SPINEGRAD_SIMULATOR_FAIL: 'cuInit=804' },
    /is of the package cuda-compat, which this GPU does not support/,
  ],
  [
    'a GPU in exclusive mode',
    { SPINEGRAD_SIMULATOR_FAIL: 'cuDevicePrimaryCtxRetain=46' },
    /^cuda:0 \(spinegrad simulator .*\) is in exclusive or prohibited compute mode .* nvidia-smi --compute-mode=0$/,
  ],
  [
    'a GPU without free memory',
    { SPINEGRAD_SIMULATOR_FAIL: 'cuDevicePrimaryCtxRetain=2' },
    /^cuda:0 \(spinegrad simulator .*\) has no memory left for a context; end other processes/,
  ],
];
const OLD = { SPINEGRAD_SIMULATOR_VERSION: '12040' };
if (cudaKernels() !== '') {
  REASONS.push([
    'a driver older than the kernels',
    OLD,
    /is for CUDA 12\.4, the kernels .* need CUDA 13\.0 or newer/,
  ]);
}

describe('opening', () => {
  it.each(REASONS)('rejects cuda with %s and states the reason', async (_, env, reason) => {
    const error = await open('cuda', env);
    expect(error).toEqual(unavailable(reason));
    expect(error.message).not.toContain('\n');
  });

  it('looks for the driver in the folders of containers, WSL and NixOS too', async ({ skip }) => {
    const env = { SPINEGRAD_CUDA_LIBRARY: '', LD_DEBUG: 'files' };
    const { output } = await runModule(`${IMPORTS} console.log(await codeOf(() => openDevice('cuda')));`, {
      env,
    });
    const opened = [...output.matchAll(/file=(\S*libcuda\.so\.1) \[\d+\]; *dynamically loaded/g)].map(
      ([, file]) => file,
    );
    if (!output.includes('ERR_DEVICE_UNAVAILABLE')) skip('there is a driver');
    const folders = ['/usr/local/nvidia/lib64', '/usr/lib/wsl/lib', '/run/opengl-driver/lib'];
    expect(opened).toEqual(['libcuda.so.1', ...folders.map((folder) => `${folder}/libcuda.so.1`)]);
    expect(output).toMatch(
      /no CUDA driver: libcuda\.so\.1: cannot open .*, also not in \/usr\/local\/nvidia\/lib64, /,
    );
  });

  it('describes the CUDA device', async () => {
    const { value } = await open('cuda');
    expect(value).toMatchObject({
      name: 'cuda:0',
      reason: 'requested',
      description: expect.stringMatching(
        /^spinegrad simulator \(no GPU\), compute capability 9\.0, .* CUDA 13\.0$/,
      ),
    });
  });

  it.each(['auto', 'cpu'])('%s opens the CPU and loads no driver, also if there is a GPU', async (kind) => {
    const { name, reason, loaded } = await output(`
      const { name, reason } = await openDevice('${kind}');
      const loaded = process.report.getReport().sharedObjects.filter((path) => /cuda[^/]*$/.test(path));
      console.log(JSON.stringify({ name, reason, loaded }));
    `);
    expect(name).toBe('cpu');
    expect(reason).toMatch(kind === 'cpu' ? /^requested$/ : /auto uses the CPU; CUDA has not been verified/);
    expect(loaded).toEqual([]);
  });

  it('opens devices by index and rejects an index out of range', async () => {
    const env = { SPINEGRAD_SIMULATOR_DEVICES: '2' };
    expect((await open('cuda:1', env)).value.name).toBe('cuda:1');
    expect(await open('cuda:2', env)).toEqual(unavailable(/no cuda:2: the CUDA driver has 2 devices/));
  });

  it('accepts precision bf16 on CUDA only, and rejects an unknown precision', async () => {
    const reports = await output(`
      const device = await openDevice('cuda', { precision: 'bf16' });
      console.log(JSON.stringify({
        described: device.description,
        cpu: await codeOf(() => openDevice('cpu', { precision: 'bf16' })),
        auto: await codeOf(() => openDevice('auto', { precision: 'bf16' })),
        unknown: await codeOf(() => openDevice('cuda', { precision: 'float32' })),
      }));
    `);
    expect(reports.described).toMatch(/, products in bf16$/);
    expect(reports.cpu).toEqual(
      unavailable(/^precision bf16 needs a CUDA device, and the device is the CPU/),
    );
    expect(reports.unknown).toMatchObject({
      code: 'ERR_ARGUMENT',
      message: expect.stringMatching(/'tf32' or 'bf16', found 'float32'/),
    });
    expect(reports.auto).toEqual(unavailable(/^precision bf16 needs a CUDA device, and 'auto' is the CPU/));
  });

  it('below compute capability 8.0, uses plain float32 kernels and rejects bf16', async () => {
    const { product, error } = await output(
      `
      import { linear } from '#spinegrad/engine/ops/linear.js';
      const device = await openDevice('cuda');
      const ones = device.full([8, 8], 1 + 2 ** -20);
      const product = await linear(ones, ones).data();
      const error = await codeOf(() => openDevice('cuda', { precision: 'bf16' }));
      console.log(JSON.stringify({ product: product[63], error }));
    `,
      { SPINEGRAD_SIMULATOR_CAPABILITY: '75' },
    );
    expect(product).toBeCloseTo(8 * (1 + 2 ** -19), 6); // TF32 would give 8
    expect(product).toBeGreaterThan(8);
    expect(error).toEqual(
      unavailable(/^precision bf16 needs compute capability 8\.0 or newer, cuda:0 is .* 7\.5/),
    );
  });
});

describe('errors', () => {
  it('of a CUDA call name the call, its result, file and line', async () => {
    const error = await output(
      `
      const device = await openDevice('cuda');
      const x = device.zeros([4]);
      console.log(JSON.stringify(await codeOf(() => add(x, x).data())));
    `,
      { SPINEGRAD_SIMULATOR_FAIL: 'cuLaunchKernel=701' },
    );
    expect(error).toMatchObject({ name: 'SpinegradError', code: 'ERR_CUDA' });
    expect(error.message).toMatch(
      /^cuLaunchKernel\(add_forward\) failed: CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES \(701\): .*, at native\/cuda\/runtime\/launch\.cpp:\d+$/,
    );
  });

  it.each([214, 220, 700, 702, 710, 714, 715, 716, 717, 718, 719])(
    'of code %i state that the process cannot use the device any more',
    async (result) => {
      const error = await output(
        `
        const device = await openDevice('cuda');
        const x = device.zeros([4]);
        console.log(JSON.stringify(await codeOf(() => add(x, x).data())));
      `,
        { SPINEGRAD_SIMULATOR_FAIL: `cuLaunchKernel=${result}` },
      );
      expect(error.message).toMatch(/this process cannot use the device any more.*SPINEGRAD_CUDA_SYNC=1/);
    },
  );

  it('that depend on values reject the next read once; operations enqueued after it read NaN', async () => {
    const { rejected, fine, dependent } = await output(`
      import { gather } from '#spinegrad/engine/ops/gather.js';
      const device = await openDevice('cuda');
      const fine = device.tensor([7]);
      const wrong = gather(device.tensor([1, 2]), device.tensor(Int32Array.of(5)));
      const dependent = add(wrong, wrong);
      const rejected = await codeOf(() => fine.data());
      console.log(JSON.stringify({ rejected, fine: (await fine.data())[0], dependent: String((await dependent.data())[0]) }));
    `);
    expect(rejected).toMatchObject({ code: 'ERR_INDEX', message: expect.stringContaining('found 5') });
    expect({ fine, dependent }).toEqual({ fine: 7, dependent: 'NaN' });
  });

  it('out of memory state the request, the free memory and the largest consumers; disposing them helps', async () => {
    const { error, after } = await output(
      `
      const device = await openDevice('cuda');
      const held = [1, 2, 3].map(() => device.zeros([5, 1000, 1000]));
      held.push(device.full([7], 1));
      const error = await codeOf(() => device.zeros([1000, 1000, 2]).data());
      for (const tensor of held) tensor.dispose();
      const after = await codeOf(async () => (await device.full([1000, 1000, 2], 3).data())[1999999]);
      console.log(JSON.stringify({ error, after }));
    `,
      { SPINEGRAD_SIMULATOR_MEMORY: '67108864' },
    );
    expect(error).toMatchObject({ name: 'SpinegradError', code: 'ERR_OUT_OF_MEMORY' });
    expect(error.message).toMatch(
      /cannot allocate 8000000 bytes: \d MB of 68 MB are free, 6\d MB in use .*; the largest consumers are 3 x float32 \[5, 1000, 1000\] \(6\d MB\), 1 x float32 \[7\]/,
    );
    expect(after).toEqual({ value: 3 });
  });
});

describe('memory', () => {
  it('is counted, and is freed when the device is closed', async () => {
    const { used, freed, trimmed, reopened } = await output(
      `
      const work = async () => {
        const device = await openDevice('cuda');
        const x = device.zeros([9_000_000]);
        await device.synchronize();
        const used = device.memory();
        x.dispose();
        await device.synchronize();
        const freed = device.memory();
        device.trim();
        await device.synchronize();
        const trimmed = device.memory();
        device.close();
        return { used, freed, trimmed };
      };
      const first = await work();
      console.log(JSON.stringify({ ...first, reopened: (await work()).used }));
    `,
      { SPINEGRAD_SIMULATOR_MEMORY: '67108864' },
    );
    expect(used.bytesInUse).toBeGreaterThanOrEqual(36e6);
    expect(used.bytesInUse).toBeLessThan(40e6);
    expect(freed.bytesInUse).toBeLessThan(1e6);
    expect(freed.peakBytes).toBeGreaterThanOrEqual(36e6);
    expect(freed.cachedBytes).toBeGreaterThanOrEqual(36e6);
    expect(trimmed.cachedBytes).toBeLessThan(1e6);
    expect(reopened.bytesInUse).toBeLessThan(40e6);
  });
});

describe('several devices', () => {
  it('compute concurrently, in one thread and in workers', async () => {
    const urls = {
      device: new URL('../../dist/engine/openDevice.js', import.meta.url).href,
      add: new URL('../../dist/engine/ops/elementwise.js', import.meta.url).href,
    };
    const values = await output(
      `
      import { once } from 'node:events';
      import { Worker } from 'node:worker_threads';
      const code = ${JSON.stringify(`
        const { parentPort, workerData } = require('node:worker_threads');
        (async () => {
          const { openDevice } = await import(workerData.urls.device);
          const { add } = await import(workerData.urls.add);
          const device = await openDevice('cuda:' + workerData.index);
          let x = device.full([1000], 1);
          for (let i = 0; i < 10; i++) x = add(x, x);
          parentPort.postMessage((await x.data())[999]);
        })();
      `)};
      const one = await openDevice('cuda:0');
      const two = await openDevice('cuda:1');
      const x = one.full([3], 1);
      const y = two.full([3], 2);
      const workers = [0, 1, 0].map((index) => {
        const workerData = { index, urls: ${JSON.stringify(urls)} };
        return new Worker(code, { eval: true, execArgv: [], workerData });
      });
      const messages = await Promise.all(workers.map((worker) => once(worker, 'message')));
      const error = await codeOf(() => add(x, y));
      console.log(JSON.stringify({ messages: messages.flat(), sums: [(await add(x, x).data())[2], (await add(y, y).data())[2]], error: error.code }));
    `,
      { SPINEGRAD_SIMULATOR_DEVICES: '2' },
    );
    expect(values).toMatchObject({ messages: [1024, 1024, 1024], sums: [2, 4], error: 'ERR_DEVICE' });
  });
});

/** A training step: forward, loss and backward, with inputs written in place. */
const STEP = `
  import { backward } from '#spinegrad/engine/autograd.js';
  import { copy } from '#spinegrad/engine/ops/copy.js';
  import { dropout } from '#spinegrad/engine/ops/dropout.js';
  import { gather } from '#spinegrad/engine/ops/gather.js';
  import { mse } from '#spinegrad/engine/ops/mse.js';
  import { mul, relu } from '#spinegrad/engine/ops/elementwise.js';
  import { tidy } from '#spinegrad/engine/tidy.js';
  const device = await openDevice('cuda');
  const bank = device.tensor(Float32Array.from({ length: 300 }, (_, i) => Math.sin(i)), [10, 30]);
  const parameter = device.full([4, 30], 0.5);
  parameter.requiresGrad = true;
  const indices = device.tensor(Int32Array.of(0, 1, 2, 3));
  const target = device.full([4, 30], 0.25);
  const step = () => tidy(() => {
    parameter.grad?.dispose();
    parameter.grad = undefined;
    const x = gather(bank, indices);
    const hidden = dropout(relu(mul(x, parameter)), { p: 0.25, seed: 1, step: 2 });
    const loss = mse(hidden, add(target, device.tensor(new Float32Array(120).fill(0.125), [4, 30])));
    backward(loss);
    return loss;
  });
  const batches = [[3, 1, 4, 1], [5, 9, 2, 6], [5, 3, 5, 8]].map((batch) => Int32Array.from(batch));
`;

describe('a captured step', () => {
  it('gives the bits of the step at each replay, in its own memory', async () => {
    const { eager, replayed, before, after } = await output(`${STEP}
      const eager = [];
      for (const batch of batches) {
        indices.write(batch);
        const loss = step();
        eager.push([...(await loss.data()), ...(await parameter.grad.data())]);
        loss.dispose();
      }
      await device.synchronize();
      const captured = await device.capture(step);
      const grad = parameter.grad;
      await device.synchronize();
      const before = device.memory();
      const replayed = [];
      for (const batch of batches) {
        indices.write(batch);
        captured.replay();
        const noise = [1, 2, 3, 4].map((n) => device.full([30 * n], NaN)); // allocates every free block
        replayed.push([...(await captured.result.data()), ...(await grad.data())]);
        for (const tensor of noise) tensor.dispose();
      }
      captured.result.dispose();
      captured.dispose();
      parameter.grad.dispose();
      await device.synchronize();
      console.log(JSON.stringify({ eager, replayed, before, after: device.memory() }));
    `);
    expect(replayed).toEqual(eager);
    expect(new Set(eager.map((values: number[]) => values[0])).size).toBe(3);
    expect(after.bytesInUse).toBeLessThan(before.bytesInUse);
  });

  it('runs only when replayed', async () => {
    const { captured, once } = await output(`
      import { mul } from '#spinegrad/engine/ops/elementwise.js';
      const device = await openDevice('cuda');
      const x = device.full([2], 3);
      const captured = await device.capture(() => mul(x, 2));
      const error = await codeOf(() => device.capture(() => mul(x, 2).dataSync()));
      captured.replay();
      x.write(Float32Array.of(5, 7));
      const once = [...(await captured.result.data())];
      captured.replay();
      const twice = [...(await captured.result.data())];
      console.log(JSON.stringify({ captured: error.code, once: [once, twice] }));
    `);
    expect(once).toEqual([
      [6, 6],
      [10, 14],
    ]);
    expect(captured).toBe('ERR_CAPTURE');
  });

  it('can be disposed while another one is captured', async () => {
    const values = await output(`
      const device = await openDevice('cuda');
      const x = device.full([2], 3);
      const step = (value) => () => add(x, device.tensor([value, value]));
      const first = await device.capture(step(1));
      first.replay();
      await first.result.data();
      const second = await device.capture(() => {
        const result = step(2)();
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 100); // until the queue has recorded the step
        first.dispose();
        return result;
      });
      second.replay();
      console.log(JSON.stringify([...(await second.result.data())]));
    `);
    expect(values).toEqual([5, 5]);
  });

  it.each([
    ['a read that is not awaited', 'x.data().catch(() => {})'],
    [
      'an operation whose error a read takes',
      'const big = device.zeros([1 << 28]); device.full([1], 0).data().catch(() => {})',
    ],
  ])('is rejected with ERR_CAPTURE after %s', async (_, body) => {
    const { error, after } = await output(
      `
      const device = await openDevice('cuda');
      const x = device.full([2], 3);
      await device.synchronize();
      const error = await codeOf(() => device.capture(() => { ${body}; return add(x, x); }));
      console.log(JSON.stringify({ error: error.code, after: (await add(x, x).data())[1] }));
    `,
      { SPINEGRAD_SIMULATOR_MEMORY: '67108864' },
    );
    expect(error).toBe('ERR_CAPTURE');
    expect(after).toBe(6);
  });

  it.each([
    ['a read', 'await device.capture(() => add(x, x).dataSync())'],
    ['trim()', 'await device.capture(() => device.trim())'],
    ['an asynchronous step', 'await device.capture(async () => add(x, x))'],
    ['a nested capture', 'await device.capture(() => void device.capture(() => add(x, x)).catch(() => {}))'],
    [
      'disposing a tensor created before the step',
      'const old = add(x, x); await device.capture(() => { add(old, x); old.dispose(); })',
    ],
    [
      'a step that changes the layout of an input',
      'const image = device.zeros([1, 16, 4, 4]); await device.capture(() => conv2d(image, image))',
    ],
    [
      'a replay after an input changed its layout',
      `const image = device.zeros([1, 16, 4, 4]);
       conv2d(image, image);
       const captured = await device.capture(() => conv2d(image, image));
       image.write(new Float32Array(256));
       captured.replay();
       await device.synchronize()`,
    ],
    ['the CPU device', "const cpu = await openDevice('cpu'); await cpu.capture(() => cpu.zeros([1]))"],
  ])('throws ERR_CAPTURE for %s, and the device stays usable', async (_, body) => {
    const { error, after } = await output(`
      import { conv2d } from '#spinegrad/engine/ops/conv2d.js';
      const device = await openDevice('cuda');
      const x = device.full([2], 3);
      await device.synchronize();
      const error = await codeOf(async () => { ${body} });
      console.log(JSON.stringify({ error, after: (await add(x, x).data())[1] }));
    `);
    expect(error).toMatchObject({ name: 'SpinegradError', code: 'ERR_CAPTURE' });
    expect(after).toBe(6);
  });
});

describe('device.close() in a captured step', () => {
  it.each([
    ['without allocations', ''],
    ['with a tensor created before it', 'add(x, x).dispose();'],
  ])('%s rejects with ERR_DEVICE_CLOSED and frees the memory', async (_, body) => {
    const codes = await output(
      `
      const close = async () => {
        const device = await openDevice('cuda');
        const x = device.zeros([9_000_000]);
        await device.synchronize();
        return codeOf(() => device.capture(() => {
          ${body}
          x.dispose();
          Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 100); // until the queue has recorded the step
          device.close();
        }));
      };
      console.log(JSON.stringify([(await close()).code, (await close()).code]));
    `,
      { SPINEGRAD_SIMULATOR_MEMORY: '67108864' },
    );
    expect(codes).toEqual(['ERR_DEVICE_CLOSED', 'ERR_DEVICE_CLOSED']);
  });
});

describe('SPINEGRAD_CUDA_SYNC', () => {
  it('synchronizes after every launch outside a captured step', async () => {
    const { eager, captured } = await output(
      `
      const device = await openDevice('cuda');
      const x = device.full([2], 3);
      const eager = [...(await add(x, x).data())];
      const step = await device.capture(() => add(x, x));
      step.replay();
      console.log(JSON.stringify({ eager, captured: [...(await step.result.data())] }));
    `,
      { SPINEGRAD_CUDA_SYNC: '1' },
    );
    expect(captured).toEqual([6, 6]);
    expect(eager).toEqual(captured);
  });
});

describe('device.time and device.properties', () => {
  it('return what the driver reports', async () => {
    const { times, properties } = await output(`
      const device = await openDevice('cuda');
      const x = device.zeros([1 << 16]);
      let inner;
      const outer = device.time(() => {
        inner = device.time(() => add(x, x));
      });
      console.log(JSON.stringify({ times: await Promise.all([outer, inner]), properties: device.properties }));
    `);
    expect(times[1]).toBeGreaterThan(0);
    expect(times[0]).toBeGreaterThanOrEqual(times[1]);
    expect(properties).toEqual({
      computeCapability: 90,
      multiprocessors: 4,
      clockHz: 1e9,
      memoryClockHz: 1e9,
      memoryBusBits: 128,
      cacheBytes: 4 << 20,
    });
  });
});
