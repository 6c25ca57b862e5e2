/** Measures with an absolute target: memory, start-up, enqueueing, delay of the event loop. */
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { SpinegradError } from '#spinegrad/error.js';
import { summarize } from '../lib/summary.js';
import type { WorkerProcess } from '../lib/workerProcess.js';
import type { Options } from './job.js';

export interface Measure {
  label: string;
  value: number;
  unit: string;
  /** Upper bound. */
  target: number | null;
  /** PyTorch's value, if it was measured. */
  peer: number | null;
}

type Start = () => Promise<WorkerProcess>;

export async function measureMemory(startSpinegrad: Start, startPeer: Start | undefined): Promise<Measure[]> {
  const folder = mkdtempSync(join(tmpdir(), 'spinegrad-peers-'));
  const peakOf = async (start: Start, workload: string, options: Options, variant: string, calls: number) => {
    using worker = await start();
    await worker.request({ command: 'open', workload, options, folder });
    await worker.request({ command: 'sample', variant, calls });
    return (await worker.request<{ bytes: number }>({ command: 'peak' })).bytes / 2 ** 20;
  };
  try {
    const training = { task: 'pretraining', batch: 64 };
    const peak = await peakOf(startSpinegrad, 'training', training, 'spinegrad', 12);
    const peer = startPeer ? await peakOf(() => startPeer(), 'training', training, 'eager', 12) : null;
    const large = await peakOf(startSpinegrad, 'contrast', { rows: 65_536 }, 'spinegrad', 1);
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

/** Time from the start of `node train.js` to the end of its first training step, with an existing bank. */
export async function measureStart(rounds: number): Promise<Measure[]> {
  const folder = mkdtempSync(join(tmpdir(), 'spinegrad-peers-'));
  const out = join(folder, 'run');
  try {
    await timeToFirstStep(out); // creates the bank
    const samples: number[] = [];
    for (let round = 0; round < rounds; round++) {
      rmSync(join(out, 'checkpoints'), { recursive: true, force: true });
      samples.push(await timeToFirstStep(out));
    }
    const { median } = summarize(samples);
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

/** Pretraining has one step; its end appears in the log. */
async function timeToFirstStep(out: string): Promise<number> {
  const settings = ['data.studies=24', 'data.slices=3', 'pretraining.epochs=1', 'pretraining.discs=48'];
  const args = existsSync(out) ? [] : settings.flatMap((setting) => ['--set', setting]);
  const start = performance.now();
  const child = spawn(process.execPath, ['train.js', '--device', 'cpu', '--out', out, '--resume', ...args], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const ended = new Promise((resolve) => child.once('exit', resolve));
  for await (const line of createInterface({ input: child.stderr })) {
    if (!line.startsWith('pretraining ')) continue;
    const milliseconds = performance.now() - start;
    child.kill('SIGKILL');
    await ended;
    return milliseconds;
  }
  throw new SpinegradError('ERR_PEER', 'node train.js ended before its first training step');
}

export async function measureQueue(spinegrad: WorkerProcess, rounds: number): Promise<Measure[]> {
  const folder = mkdtempSync(join(tmpdir(), 'spinegrad-peers-'));
  try {
    await spinegrad.request({ command: 'open', workload: 'enqueue', options: {}, folder });
    const samples: number[] = [];
    for (let round = 0; round < rounds + 1; round++) {
      await spinegrad.request({ command: 'values' }); // empties the queue
      samples.push(
        (
          await spinegrad.request<{ milliseconds: number }>({
            command: 'sample',
            variant: 'spinegrad',
            calls: 2000,
          })
        ).milliseconds,
      );
    }
    await spinegrad.request({ command: 'close' });
    await spinegrad.request({
      command: 'open',
      workload: 'training',
      options: { task: 'pretraining', batch: 64 },
      folder,
    });
    await spinegrad.request({ command: 'sample', variant: 'spinegrad', calls: 2 });
    const { p99 } = await spinegrad.request<{ p99: number }>({ command: 'delay', calls: 20 });
    await spinegrad.request({ command: 'close' });
    return [
      {
        label: 'enqueue one operation',
        value: 1000 * summarize(samples.slice(1)).median,
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
