/**
 * One size of a sweep: a process for each number of threads, which take turns, so that their peaks of memory are their
 * own.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Conversation } from '../lib/conversation.js';
import { summary, type Timing } from '../lib/summary.js';
import type { Sweep } from './sweeps.js';

export interface Point {
  size: number;
  threads: number;
  timing: Timing;
  /** Largest resident memory of the process, MB. */
  peak: number;
}

/**
 * Rounds after the first, which warms up: as many as fit into the time, at least one. Where the first is long, it is what
 * counts.
 */
const MOST_ROUNDS = 11;
const SECONDS = 8;
const LONG = 30;

export async function measure(sweep: Sweep, size: number, threads: readonly number[]): Promise<Point[]> {
  const folder = mkdtempSync(join(tmpdir(), 'spinegrad-growth-'));
  const sides: Conversation[] = [];
  try {
    const sampled = async (side: Conversation): Promise<number> =>
      (await side.ask<{ milliseconds: number }>({ do: 'sample', calls: 1 })).milliseconds;
    const runners = [];
    for (const count of threads) {
      const side = new Conversation([process.execPath, 'build/bench/peers/worker.js', String(count)]);
      sides.push(side);
      await side.next();
      const options = { ...sweep.options(size), threads: count };
      await side.ask({ do: 'open', work: sweep.work, options, folder });
      runners.push({ side, threads: count, samples: [await sampled(side)] });
    }
    const first = runners.reduce((total, { samples }) => total + samples[0]! / 1000, 0);
    const fitting = Math.min(Math.max(Math.floor(SECONDS / first), 1), MOST_ROUNDS);
    const rounds = first > LONG ? 0 : fitting;
    for (let i = 0; i < rounds; i++) {
      for (const { side, samples } of runners) samples.push(await sampled(side));
    }
    const points: Point[] = [];
    for (const { side, samples, threads: count } of runners) {
      const { bytes } = await side.ask<{ bytes: number }>({ do: 'peak' });
      const counted = rounds === 0 ? samples : samples.slice(1);
      points.push({ size, threads: count, timing: summary(counted), peak: bytes / 2 ** 20 });
    }
    return points;
  } finally {
    for (const side of sides) side[Symbol.dispose]();
    rmSync(folder, { recursive: true });
  }
}
