/** A process or a worker can end at any time. It must end with its own exit code and print nothing. */
import { describe, expect, it } from 'vitest';
import { runModule, SIMULATOR } from './child.js';

const WORK = `
  import { openDevice } from '#spinegrad/engine/openDevice.js';
  import { add } from '#spinegrad/engine/ops/elementwise.js';
  import { gather } from '#spinegrad/engine/ops/gather.js';
  const device = await openDevice(process.env.SPINEGRAD_TEST_DEVICE);
  let x = device.full([300, 300], 1);
  const work = (steps) => {
    for (let i = 0; i < steps; i++) {
      const y = add(x, x);
      x.dispose();
      x = y;
    }
    return x;
  };
`;

/** A worker with a full queue and pending reads. It posts a message once it has started. */
const WORKER = `
  const { parentPort, workerData } = require('node:worker_threads');
  (async () => {
    const { openDevice } = await import(workerData.device);
    const { add } = await import(workerData.add);
    const device = await openDevice(process.env.SPINEGRAD_TEST_DEVICE, { threads: 2 });
    const x = device.full([300, 300], 1);
    for (let i = 0; ; i++) {
      const y = add(x, x);
      const read = y.data();
      y.dispose();
      if (i === 5) parentPort.postMessage('at work');
      if (i % 50 === 49) await read;
      if (i === workerData.steps) break;
    }
  })();
`;

/** A worker that runs `how` to end itself while its queue is full. */
const ENDING = (how: string) => `
  const { workerData } = require('node:worker_threads');
  (async () => {
    const { openDevice } = await import(workerData.device);
    const device = await openDevice('cpu', { threads: 2 });
    for (let i = 0; i < 50; i++) device.full([300, 300], i).data().catch(() => {});
    ${how}
  })();
`;

const compiled = (file: string): string => new URL(`../../dist/${file}`, import.meta.url).href;
const URLS = JSON.stringify({
  device: compiled('engine/openDevice.js'),
  add: compiled('engine/ops/elementwise.js'),
});

const START = `
  import { once } from 'node:events';
  import { Worker } from 'node:worker_threads';
  const urls = ${URLS};
  const start = async (steps) => {
    const worker = new Worker(${JSON.stringify(WORKER)}, { eval: true, execArgv: [], workerData: { ...urls, steps } });
    await once(worker, 'message');
    return worker;
  };
`;

const scenarios: [string, string, number][] = [
  ['a process after an awaited read', `${WORK} await work(50).data();`, 0],
  ['process.exit with work in the queue', `${WORK} work(2000); process.exit(3);`, 3],
  [
    'process.exit with pending reads',
    `${WORK} for (let i = 0; i < 20; i++) work(10).data(); process.exit(4);`,
    4,
  ],
  ['a read that is not awaited', `${WORK} void work(50).data();`, 0],
  ['an exception with work in the queue', `${WORK} work(2000); throw new Error('on purpose');`, 1],
  ['a device closed with pending reads', `${WORK} void work(500).data().catch(() => {}); device.close();`, 0],
  [
    'a rejected read that is not awaited',
    `${WORK} void gather(x, device.tensor(Int32Array.of(-1))).data();`,
    1,
  ],
  [
    'thirty open devices',
    `${WORK} for (let i = 0; i < 30; i++) (await openDevice(process.env.SPINEGRAD_TEST_DEVICE)).full([9], 1);`,
    0,
  ],
  ['a worker that returns', `${START} const worker = await start(200); await once(worker, 'exit');`, 0],
  ['a worker terminated with a full queue', `${START} await (await start()).terminate();`, 0],
  [
    'five workers, terminated one by one',
    `${START} for (let i = 0; i < 5; i++) await (await start()).terminate();`,
    0,
  ],
  [
    'two workers terminated while the main thread computes',
    `${WORK} ${START} const both = await Promise.all([start(), start()]); work(200); await Promise.all(both.map((worker) => worker.terminate())); await x.data();`,
    0,
  ],
  ['process.exit while workers compute', `${START} await start(); await start(); process.exit(5);`, 5],
  ...['process.exit(6)', 'process.exitCode = 6; device.close()', 'device.close(); process.exit(6)'].map(
    (how): [string, string, number] => [
      `a worker that ends with: ${how}`,
      `${START} const worker = new Worker(${JSON.stringify(ENDING(how))}, { eval: true, execArgv: [], workerData: urls }); process.exitCode = (await once(worker, 'exit'))[0];`,
      6,
    ],
  ),
  [
    'an exception in a worker with a full queue',
    `${START} const worker = new Worker(${JSON.stringify(ENDING("throw new Error('on purpose')"))}, { eval: true, execArgv: [], workerData: urls }); await once(worker, 'error').catch(() => {}); process.exitCode = 7;`,
    7,
  ],
  [
    "a read in an 'exit' handler, after the device is closed",
    `${WORK} process.on('exit', () => { try { x.dataSync(); } catch (error) { process.exitCode = error.code === 'ERR_DEVICE_CLOSED' ? 8 : 1; } });`,
    8,
  ],
];

describe.each(['cpu', 'cuda'])('ends cleanly on %s', (device) => {
  it.each(scenarios)('%s', async (_, code, status) => {
    const ended = await runModule(code, {
      env: { SPINEGRAD_TEST_DEVICE: device, SPINEGRAD_CUDA_LIBRARY: SIMULATOR },
    });
    expect(ended).toMatchObject({ status, signal: null, ...(status === 0 && { output: '' }) });
    expect(ended.output).not.toMatch(/FATAL|abort|terminate called|core dumped/i);
  });
});
