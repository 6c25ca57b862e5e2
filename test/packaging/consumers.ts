/** Programs of users of the package, each run in a project that has installed it. They print `ready` at the end. */

const COMPUTE = `
  const device = await openDevice('cpu', { threads: 1 });
  const [value] = await device.full([1], 2).data();
  if (value !== 2) throw new Error('computed ' + value);
  device.close();`;

/** By file name. Their module system follows from it. */
export const PROGRAMS: Readonly<Record<string, string>> = {
  'esm.mjs': `
    import { openDevice } from 'spinegrad';
    import { readHeader } from 'spinegrad/spine';
    ${COMPUTE}
    console.log(typeof readHeader === 'function' ? 'ready' : 'no readHeader');`,
  'require.cjs': `
    const { openDevice } = require('spinegrad');
    const { readHeader } = require('spinegrad/spine');
    (async () => {
      ${COMPUTE}
      console.log(typeof readHeader === 'function' ? 'ready' : 'no readHeader');
    })();`,
  // A worker opens its own device; the main thread does not load the addon.
  'worker.mjs': `
    import { Worker, isMainThread } from 'node:worker_threads';
    import { fileURLToPath } from 'node:url';
    if (isMainThread) {
      const workers = [0, 1].map(() => new Worker(fileURLToPath(import.meta.url)));
      const codes = await Promise.all(workers.map((each) => new Promise((resolve) => each.on('exit', resolve))));
      console.log(codes.every((code) => code === 0) ? 'ready' : codes);
    } else {
      const { openDevice } = await import('spinegrad');
      ${COMPUTE}
    }`,
};

/** The same test for vitest and for Jest. */
export const TEST = `
  import { openDevice } from 'spinegrad';
  test('computes', async () => {
    ${COMPUTE}
    expect(value).toBe(2);
  });`;

/** An application that a bundler packs. */
export const APP = `
  import { openDevice } from 'spinegrad';
  openDevice('cpu').then((device) => {
    console.log(device.name === 'cpu' ? 'ready' : device.name);
    device.close();
  });`;
