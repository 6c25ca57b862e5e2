/** The progress of a run on a terminal and in a log. */
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { interruptible } from '#spinegrad/cli/interruptible.js';
import { terminalProgress } from '#spinegrad/cli/progress.js';
import { SpinegradError } from '#spinegrad/error.js';
import { generatePhantom } from '#spinegrad/phantom/generate.js';

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['performance'] });
});
afterEach(() => {
  vi.useRealTimers();
});

function screen(isTTY: boolean, columns = 80, term?: string) {
  let text = '';
  const stream = {
    isTTY,
    columns,
    write(part: string) {
      text += part;
    },
  };
  return { progress: terminalProgress(stream, term), shown: () => text };
}

const wait = (milliseconds: number) => vi.advanceTimersByTime(milliseconds);

describe('on a terminal', () => {
  it('is one line that is overwritten, with rate and remaining time', () => {
    const { progress, shown } = screen(true);
    progress.update('training', 0, 100);
    wait(2000);
    progress.update('training', 10, 100, 'epoch 1/5');
    expect(shown()).toBe('training  0/100\r\x1b[Ktraining  10/100  5.00/s, 18.0 s left  epoch 1/5');
    wait(20);
    progress.update('training', 11, 100);
    expect(shown()).not.toContain('11/100');
    progress.update('training', 100, 100);
    expect(shown().endsWith('\r\x1b[Ktraining  100/100 in 2.0 s\n')).toBe(true);
  });

  it('is cut at the width of the terminal', () => {
    const { progress, shown } = screen(true, 12);
    progress.update('a stage with a long name', 1, 2);
    expect(shown()).toBe('a stage wit');
  });

  it('is cleared for permanent lines, and kept above the output of others', () => {
    const { progress, shown } = screen(true);
    progress.update('training', 1, 2);
    progress.line('a message');
    expect(shown()).toBe('training  1/2\r\x1b[Ka message\n');
    wait(1000);
    progress.update('training', 1, 2);
    const before = shown();
    progress.end();
    progress.end();
    expect(shown()).toBe(`${before}\n`);
  });
});

describe('in a log', () => {
  it('is a line at fixed intervals and one at the end of a stage', () => {
    const { progress, shown } = screen(false);
    for (let step = 0; step <= 300; step++) {
      progress.update('training', step, 300);
      wait(100);
    }
    progress.end();
    const lines = shown().split('\n');
    expect(lines).toHaveLength(4);
    expect(lines[0]).toBe('training  100/300  10.0/s, 20.0 s left');
    expect(lines[2]).toMatch(/^training {2}300\/300 in 30\.0 s$/);
    expect(shown()).not.toContain('\x1b');
  });

  it('measures the rate of a resumed stage from its start', () => {
    const { progress, shown } = screen(false);
    progress.update('training', 900, 1000);
    wait(10_000);
    progress.update('training', 950, 1000);
    expect(shown()).toBe('training  950/1000  5.00/s, 10.0 s left\n');
  });
});

describe('an error after a progress line', () => {
  it('starts a new line', async () => {
    const { progress, shown } = screen(true);
    const failing = interruptible(progress, 'again', async () => {
      progress.update('training', 1, 2);
      throw new SpinegradError('ERR_DIVERGED', 'the loss is NaN');
    });
    await expect(failing).rejects.toMatchObject({ code: 'ERR_DIVERGED' });
    expect(shown()).toBe('training  1/2\n');
  });
});

describe('TERM=dumb', () => {
  it('gets lines without escape codes', () => {
    const { progress, shown } = screen(true, 80, 'dumb');
    progress.update('training', 0, 100);
    wait(60_000);
    progress.update('training', 50, 100);
    progress.line('a line');
    progress.end();
    expect(shown()).toBe('training  50/100  0.833/s, 1 min 00 s left\na line\n');
  });
});

it('the clock of a task starts with the work, not with its first finished part', async () => {
  const reported: number[] = [];
  const out = await mkdtemp(join(tmpdir(), 'spinegrad-clock-'));
  const settings = { studies: 1, seed: 1, prevalence: 'rsna', slices: 1 } as const;
  await generatePhantom({ ...settings, out, onProgress: (done) => reported.push(done) });
  expect(reported).toEqual([0, 1]);
});
