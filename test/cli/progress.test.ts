/** What a terminal and a log show of a run. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { interruptible } from '#spinegrad/cli/interruptible.js';
import { terminalProgress } from '#spinegrad/cli/progress.js';
import { SpinegradError } from '#spinegrad/error.js';

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['performance'] });
});
afterEach(() => {
  vi.useRealTimers();
});

function screen(isTTY: boolean, columns = 80) {
  let text = '';
  const stream = {
    isTTY,
    columns,
    write(part: string) {
      text += part;
    },
  };
  return { progress: terminalProgress(stream), shown: () => text };
}

const wait = (milliseconds: number) => vi.advanceTimersByTime(milliseconds);

describe('on a terminal', () => {
  it('is one line that is written over, with rate and time to go', () => {
    const { progress, shown } = screen(true);
    progress.update('training', 0, 100);
    wait(2000);
    progress.update('training', 10, 100, 'epoch 1/5');
    expect(shown()).toBe('training  0/100\r\x1b[Ktraining  10/100  5.00/s, 18.0 s to go  epoch 1/5');
    wait(20);
    progress.update('training', 11, 100);
    expect(shown()).not.toContain('11/100');
    progress.update('training', 100, 100);
    expect(shown().endsWith('\r\x1b[Ktraining  100/100 in 2.0 s\n')).toBe(true);
  });

  it('is cut where the terminal ends', () => {
    const { progress, shown } = screen(true, 12);
    progress.update('a task of a long name', 1, 2);
    expect(shown()).toBe('a task of a');
  });

  it('gives way to lines that stay, and to what others print', () => {
    const { progress, shown } = screen(true);
    progress.update('training', 1, 2);
    progress.line('a word');
    expect(shown()).toBe('training  1/2\r\x1b[Ka word\n');
    wait(1000);
    progress.update('training', 1, 2);
    const before = shown();
    progress.end();
    progress.end();
    expect(shown()).toBe(`${before}\n`);
  });
});

describe('in a log', () => {
  it('is a plain line now and then, and one where a task ends', () => {
    const { progress, shown } = screen(false);
    for (let step = 0; step <= 300; step++) {
      progress.update('training', step, 300);
      wait(100);
    }
    progress.end();
    const lines = shown().split('\n');
    expect(lines).toHaveLength(4);
    expect(lines[0]).toBe('training  100/300  10.0/s, 20.0 s to go');
    expect(lines[2]).toMatch(/^training {2}300\/300 in 30\.0 s$/);
    expect(shown()).not.toContain('\x1b');
  });

  it('counts the rate of a resumed task from where it began', () => {
    const { progress, shown } = screen(false);
    progress.update('training', 900, 1000);
    wait(10_000);
    progress.update('training', 950, 1000);
    expect(shown()).toBe('training  950/1000  5.00/s, 10.0 s to go\n');
  });
});

describe('an error after a progress line', () => {
  it('stands on a line of its own', async () => {
    const { progress, shown } = screen(true);
    const failing = interruptible(progress, 'again', async () => {
      progress.update('training', 1, 2);
      throw new SpinegradError('ERR_DIVERGED', 'the loss is NaN');
    });
    await expect(failing).rejects.toMatchObject({ code: 'ERR_DIVERGED' });
    expect(shown()).toBe('training  1/2\n');
  });
});
