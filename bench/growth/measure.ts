/** Measures one size of a sweep. Each number of threads has its own process, and so its own peak memory. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { summarize, type Timing } from '../lib/summary.js';
import { WorkerProcess } from '../lib/workerProcess.js';
import type { Sweep } from './sweeps.js';

export interface Point {
  size: number;
  threads: number;
  timing: Timing;
  /** Maximum resident memory of the process, MB. */
  peak: number;
}

/** Rounds after the warm-up: as many as fit into SECONDS, from 1 to MAX_ROUNDS. */
const MAX_ROUNDS = 11;
const SECONDS = 8;
/** If the warm-up of all processes takes longer, its samples are the result. */
const LONG_SECONDS = 30;

export async function measure(sweep: Sweep, size: number, threads: readonly number[]): Promise<Point[]> {
  const folder = mkdtempSync(join(tmpdir(), 'spinegrad-growth-'));
  const processes: WorkerProcess[] = [];
  try {
    const sample = async (worker: WorkerProcess): Promise<number> =>
      (await worker.request<{ milliseconds: number }>({ command: 'sample', calls: 1 })).milliseconds;
    const runners = [];
    for (const count of threads) {
      const worker = new WorkerProcess([process.execPath, 'build/bench/peers/worker.js', String(count)]);
      processes.push(worker);
      await worker.receive();
      const options = { ...sweep.options(size), threads: count };
      await worker.request({ command: 'open', workload: sweep.workload, options, folder });
      runners.push({ worker, threads: count, samples: [await sample(worker)] });
    }
    const warmUpSeconds = runners.reduce((total, { samples }) => total + samples[0]! / 1000, 0);
    const fitting = Math.min(Math.max(Math.floor(SECONDS / warmUpSeconds), 1), MAX_ROUNDS);
    const rounds = warmUpSeconds > LONG_SECONDS ? 0 : fitting;
    for (let i = 0; i < rounds; i++) {
      for (const { worker, samples } of runners) samples.push(await sample(worker));
    }
    const points: Point[] = [];
    for (const { worker, samples, threads: count } of runners) {
      const { bytes } = await worker.request<{ bytes: number }>({ command: 'peak' });
      const counted = rounds === 0 ? samples : samples.slice(1);
      points.push({ size, threads: count, timing: summarize(counted), peak: bytes / 2 ** 20 });
    }
    return points;
  } finally {
    for (const worker of processes) worker[Symbol.dispose]();
    rmSync(folder, { recursive: true });
  }
}
