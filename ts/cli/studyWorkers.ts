/** The worker processes of `spinegrad study --jobs`. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { DeviceKind } from '../engine/openDevice.js';
import { SpinegradError } from '../error.js';
import type { Shard } from '../study/shards.js';
import type { Progress } from '../training/progress.js';

interface Options {
  device: DeviceKind;
  shard: Shard;
  progress: Progress;
  signal: AbortSignal;
}

const PROGRAM = fileURLToPath(new URL('main.js', import.meta.url));

/**
 * Runs workers until all have ended. If one is killed, the others take its work. An abort stops all at their next safe point.
 *
 * @throws SpinegradError ERR_STUDY_WORKER if all workers fail; the signal's reason when it is aborted
 */
export async function runWorkers(
  dir: string,
  jobs: number,
  { device, shard, progress, signal }: Options,
): Promise<void> {
  const args = [
    ...['study', '--worker', '--out', dir, '--device', device],
    ...['--shard', `${shard.index}/${shard.count}`],
  ];
  // The IPC channel tells a worker when this process ends.
  const workers = Array.from({ length: jobs }, () => fork(PROGRAM, args));
  const stop = () => {
    for (const worker of workers) worker.kill('SIGTERM');
  };
  signal.addEventListener('abort', stop, { once: true });
  const failed = (await Promise.all(workers.map(ended))).filter((reason) => reason !== null);
  signal.removeEventListener('abort', stop);
  signal.throwIfAborted();
  for (const reason of failed) progress.line(reason);
  if (failed.length < jobs) return;
  throw new SpinegradError('ERR_STUDY_WORKER', `${dir}: all ${jobs} workers failed; the first: ${failed[0]}`);
}

/** Why a worker failed; null if it ended its work. */
async function ended(worker: ChildProcess): Promise<string | null> {
  const [code, signal] = (await once(worker, 'exit')) as [number | null, NodeJS.Signals | null];
  if (code === 0) return null;
  return `worker ${worker.pid} ${signal === null ? `ended with exit code ${code}` : `was killed by ${signal}`}`;
}
