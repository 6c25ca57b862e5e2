import { afterEach, describe, expect, it } from 'vitest';
import { WorkerPool } from '#spinegrad/io/workerPool.js';

/** Doubles a number; `crash`, `exit` and `hang` do so after the step `second`. */
const script = new URL(`data:text/javascript,
  import { parentPort } from 'node:worker_threads';
  parentPort.on('message', (request) => {
    if (typeof request === 'number') return parentPort.postMessage({ result: 2 * request });
    if (request === 'reject') return parentPort.postMessage({ code: 'ERR_TEST', message: 'rejected' });
    parentPort.postMessage({ label: 'second' });
    if (request === 'crash') throw new Error('out of memory');
    if (request === 'exit') setTimeout(() => process.exit(), 50);
  });`);

let pool: WorkerPool<number | string, number>;
afterEach(() => pool.close());

describe('WorkerPool', () => {
  it('runs more requests than it has threads', async () => {
    pool = new WorkerPool(script, 'test', { size: 2 });
    const results = [1, 2, 3, 4, 5].map((request) => pool.run(request, `request ${request}`));
    expect(await Promise.all(results)).toEqual([2, 4, 6, 8, 10]);
  });

  it('rejects with the error that a thread replies with, and keeps the thread', async () => {
    pool = new WorkerPool(script, 'test', { size: 1 });
    await expect(pool.run('reject', 'first')).rejects.toMatchObject({
      code: 'ERR_TEST',
      message: 'rejected',
    });
    expect(await pool.run(4, 'next')).toBe(8);
  });

  it.each([
    ['crash', 'the worker thread crashed (out of memory)'],
    ['exit', 'the worker thread ended'],
    ['hang', 'not finished within 3000 ms'],
  ])('replaces a thread after %s and names the step', async (request, reason) => {
    pool = new WorkerPool(script, 'test', { size: 1, timeoutMs: request === 'hang' ? 3000 : 60_000 });
    await expect(pool.run(request, 'first')).rejects.toMatchObject({
      code: 'ERR_WORKER_LOST',
      label: 'second',
      reason,
    });
    expect(await pool.run(4, 'next')).toBe(8);
  });

  it('rejects running, queued and later requests with ERR_DISPOSED when it is closed', async () => {
    pool = new WorkerPool(script, 'test', { size: 1 });
    const requests = Promise.allSettled([pool.run('hang', 'running'), pool.run(1, 'queued')]);
    await pool.close();
    for (const result of await requests) expect(result).toMatchObject({ reason: { code: 'ERR_DISPOSED' } });
    await expect(pool.run(2, 'later')).rejects.toMatchObject({ code: 'ERR_DISPOSED' });
  });
});
