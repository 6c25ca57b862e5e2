/** What has a target of its own, without a peer or beside one: memory, start, the cost of a call, the event loop. */
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { SpinegradError } from '#spinegrad/error.js';
import type { Conversation } from '../lib/conversation.js';
import { summary } from '../lib/summary.js';
import type { Options } from './job.js';

export interface Measure {
  label: string;
  value: number;
  unit: string;
  /** The number to stay below. */
  target: number | null;
  /** PyTorch's, where it has one. */
  peer: number | null;
}

type Start = () => Promise<Conversation>;

export async function memory(ours: Start, theirs: Start | undefined): Promise<Measure[]> {
  const folder = mkdtempSync(join(tmpdir(), 'spinegrad-peers-'));
  const peakOf = async (start: Start, work: string, options: Options, variant: string, calls: number) => {
    using side = await start();
    await side.ask({ do: 'open', work, options, folder });
    await side.ask({ do: 'sample', variant, calls });
    return (await side.ask<{ bytes: number }>({ do: 'peak' })).bytes / 2 ** 20;
  };
  try {
    const training = { task: 'pretraining', batch: 64 };
    const peak = await peakOf(ours, 'training', training, 'spinegrad', 12);
    const peer = theirs ? await peakOf(() => theirs(), 'training', training, 'eager', 12) : null;
    const large = await peakOf(ours, 'contrast', { rows: 65_536 }, 'spinegrad', 1);
    return [
      { label: 'peak resident memory, pretraining of 64 views', value: peak, unit: 'MB', target: peer, peer },
      {
        label: 'peak resident memory, InfoNCE at N = 65,536',
        value: large,
        unit: 'MB',
        target: 700,
        peer: null,
      },
    ];
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** From `node train.js` to its first training step enqueued, the bank being there. */
export async function start(rounds: number): Promise<Measure[]> {
  const folder = mkdtempSync(join(tmpdir(), 'spinegrad-peers-'));
  const out = join(folder, 'run');
  try {
    await untilTraining(out); // makes the bank
    const samples: number[] = [];
    for (let round = 0; round < rounds; round++) {
      rmSync(join(out, 'checkpoints'), { recursive: true, force: true });
      samples.push(await untilTraining(out));
    }
    const { median } = summary(samples);
    return [
      {
        label: 'start of node train.js to the first step',
        value: median / 1000,
        unit: 's',
        target: 1.5,
        peer: null,
      },
    ];
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Pretraining is one step, whose end the log tells. */
async function untilTraining(out: string): Promise<number> {
  const settings = ['data.studies=24', 'data.slices=3', 'pretraining.epochs=1', 'pretraining.discs=48'];
  const args = existsSync(out) ? [] : settings.flatMap((setting) => ['--set', setting]);
  const begin = performance.now();
  const child = spawn(process.execPath, ['train.js', '--device', 'cpu', '--out', out, '--resume', ...args], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const ended = new Promise((resolve) => child.once('exit', resolve));
  for await (const line of createInterface({ input: child.stderr })) {
    if (!line.startsWith('pretraining ')) continue;
    const milliseconds = performance.now() - begin;
    child.kill('SIGKILL');
    await ended;
    return milliseconds;
  }
  throw new SpinegradError('ERR_PEER', 'node train.js ended before its first training step');
}

export async function queue(ours: Conversation, rounds: number): Promise<Measure[]> {
  const folder = mkdtempSync(join(tmpdir(), 'spinegrad-peers-'));
  try {
    await ours.ask({ do: 'open', work: 'enqueue', options: {}, folder });
    const samples: number[] = [];
    for (let round = 0; round < rounds + 1; round++) {
      await ours.ask({ do: 'values' }); // the queue is empty
      samples.push(
        (await ours.ask<{ milliseconds: number }>({ do: 'sample', variant: 'spinegrad', calls: 2000 }))
          .milliseconds,
      );
    }
    await ours.ask({ do: 'close' });
    await ours.ask({ do: 'open', work: 'training', options: { task: 'pretraining', batch: 64 }, folder });
    await ours.ask({ do: 'sample', variant: 'spinegrad', calls: 2 });
    const { p99 } = await ours.ask<{ p99: number }>({ do: 'delay', calls: 20 });
    await ours.ask({ do: 'close' });
    return [
      {
        label: 'an enqueued operation',
        value: 1000 * summary(samples.slice(1)).median,
        unit: 'us',
        target: 3,
        peer: null,
      },
      { label: 'event-loop delay while training, p99', value: p99, unit: 'ms', target: 10, peer: null },
    ];
  } finally {
    rmSync(folder, { recursive: true });
  }
}
