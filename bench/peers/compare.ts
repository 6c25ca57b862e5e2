/**
 * Runs one comparison. Both sides read the same inputs, and their results are compared. Then they measure in turns, so
 * that disturbances of the machine affect both.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SpinegradError } from '#spinegrad/error.js';
import { summarize, type Timing } from '../lib/summary.js';
import type { WorkerProcess } from '../lib/workerProcess.js';
import type { Request } from './job.js';
import type { Comparison } from './workloads.js';

export type Peers = Readonly<Partial<Record<'default' | 'tuned', WorkerProcess>>>;

export interface Result {
  label: string;
  description: string;
  spinegrad: Timing;
  /** By peer and variant. */
  peers: Readonly<Record<string, Readonly<Record<string, Timing>>>>;
  /** Maximum difference of the results, relative to the largest value; null without a peer. */
  difference: number | null;
  bound: number;
  targets: readonly { name: string; ratio: number | null; target: number; milliseconds: number | null }[];
}

export interface Effort {
  warmUps: number;
  rounds: number;
}

const send = <T>(worker: WorkerProcess, request: Request): Promise<T> => worker.request<T>(request);

async function valuesOf(worker: WorkerProcess): Promise<Float32Array[]> {
  const { values } = await send<{ values: string[] }>(worker, { command: 'values' });
  return values.map((text) => new Float32Array(new Uint8Array(Buffer.from(text, 'base64')).buffer));
}

/** Maximum absolute difference, relative to the largest expected value; NaN if a value is NaN. */
function differenceOf(actual: Float32Array, expected: Float32Array): number {
  if (actual.length !== expected.length) return Number.POSITIVE_INFINITY;
  let largest = 0;
  let difference = 0;
  for (let i = 0; i < actual.length; i++) {
    largest = Math.max(largest, Math.abs(expected[i]!));
    const distance = Math.abs(actual[i]! - expected[i]!);
    difference = distance <= difference ? difference : distance; // keeps NaN
  }
  return difference / largest;
}

interface Runner {
  worker: WorkerProcess;
  peer: string;
  variant: string;
  samples: number[];
}

export async function compare(
  comparison: Comparison,
  spinegrad: WorkerProcess,
  peers: Peers,
  { warmUps, rounds }: Effort,
): Promise<Result> {
  const { workload, options, label, description, bound, calls } = comparison;
  const folder = mkdtempSync(join(tmpdir(), 'spinegrad-peers-'));
  try {
    const workers = Object.entries({ spinegrad, ...peers }) as [string, WorkerProcess][];
    const runners: Runner[] = [];
    for (const [peer, worker] of workers) {
      const open = { command: 'open', workload, options, folder } as const;
      const { variants } = await send<{ variants: string[] }>(worker, open);
      for (const variant of variants) runners.push({ worker, peer, variant, samples: [] });
    }
    const values = await valuesOf(spinegrad);
    let difference: number | null = null;
    for (const worker of Object.values(peers)) {
      const expected = await valuesOf(worker);
      const differences = values.map((value, index) => differenceOf(value, expected[index]!));
      difference = Math.max(difference ?? 0, ...differences);
      if (!(difference <= bound)) {
        throw new SpinegradError(
          'ERR_PEER',
          `${label}: the results differ by ${difference} of the largest value, expected at most ${bound}`,
        );
      }
    }
    const sample = async ({ worker, variant }: Runner): Promise<number> =>
      (await send<{ milliseconds: number }>(worker, { command: 'sample', variant, calls })).milliseconds;
    for (const runner of runners) for (let i = 0; i < warmUps; i++) await sample(runner);
    for (let round = 0; round < rounds; round++) {
      for (const runner of runners) runner.samples.push(await sample(runner));
    }
    for (const [, worker] of workers) await send(worker, { command: 'close' });
    return { label, description, difference, bound, ...timingsOf(runners, comparison) };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function timingsOf(runners: readonly Runner[], { targets }: Comparison) {
  const peers: Record<string, Record<string, Timing>> = {};
  let spinegrad: Timing | undefined;
  for (const { peer, variant, samples } of runners) {
    const timing = summarize(samples);
    if (peer === 'spinegrad') spinegrad = timing;
    else peers[peer] = { ...peers[peer], [variant]: timing };
  }
  return {
    spinegrad: spinegrad!,
    peers,
    targets: targets.map(({ name, peer, variants, ratio: target }) => {
      const medians = Object.entries(peers[peer] ?? {})
        .filter(([variant]) => variants?.includes(variant) ?? true)
        .map(([, { median }]) => median);
      const milliseconds = medians.length > 0 ? Math.min(...medians) : null;
      return { name, milliseconds, ratio: milliseconds && milliseconds / spinegrad!.median, target };
    }),
  };
}
