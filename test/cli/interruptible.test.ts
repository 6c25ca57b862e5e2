/** Signals end interruptible work at its next safe point. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, expect, it } from 'vitest';
import { interruptible } from '#spinegrad/cli/interruptible.js';
import { silent } from '#spinegrad/training/progress.js';

afterEach(() => {
  process.exitCode = undefined;
});

it.each([
  ['SIGINT', 130],
  ['SIGTERM', 143],
  ['SIGHUP', 129],
] as const)('%s stops the work, prints the advice and sets the exit code %d', async (name, exitCode) => {
  const lines: string[] = [];
  await interruptible({ ...silent, line: (text) => lines.push(text) }, 'resume it', async (signal) => {
    process.kill(process.pid, name);
    while (!signal.aborted) await sleep(1);
    signal.throwIfAborted();
  });
  expect(process.exitCode).toBe(exitCode);
  expect(lines.at(-1)).toBe('stopped; resume it');
});
