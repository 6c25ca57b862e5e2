/** `train --profile`, of finished and of stopped runs. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { spinegrad } from '../cli/command.js';
import { stoppedRun, temporaryFolder, tinyStudies, trainArgs } from './runs.js';

interface Event {
  ph: string;
  tid: number;
  name: string;
  ts: number;
  dur: number;
}

const eventsOf = (dir: string, tid: number): Event[] =>
  JSON.parse(readFileSync(join(dir, 'profile.json'), 'utf8')).traceEvents.filter(
    (event: Event) => event.ph === 'X' && event.tid === tid,
  );

it('writes a trace of the complete run and prints a table that agrees with it', async () => {
  const [dir, data] = [await temporaryFolder(), await tinyStudies()];
  const { status, stderr } = await spinegrad(...trainArgs(dir, data), '--profile');
  expect(status, stderr).toBe(0);
  const operations = eventsOf(dir, 1);
  for (const [i, { ts }] of operations.entries()) {
    const before = operations[i - 1];
    if (before) expect(ts).toBeGreaterThanOrEqual(before.ts + before.dur - 1e-3);
  }
  const spans = eventsOf(dir, 2).map(({ name }) => name);
  expect(spans).toContain('pretraining, epoch 1, step 1');
  expect(spans).toContain('localization, epoch 1, validation');
  expect(spans).toContain('finetuning-scratch, checkpoint');
  expect(spans.at(-1)).toBe('evaluation');

  const table = stderr.split('\n').map((line) => line.trim().split(/ {2,}/));
  const row = (name: string) => table.find((cells) => cells[0] === name)!;
  expect(row('all')[1]).toBe(`${operations.length}`);
  const forward = operations.filter(({ name }) => name === 'conv2d.fprop');
  const [, calls, total] = row('conv2d.fprop');
  expect(calls).toBe(`${forward.length}`);
  expect(Number(total)).toBeCloseTo(forward.reduce((sum, { dur }) => sum + dur, 0) / 1000, 0);
});

it('writes the trace of a stopped run, and none without the option', async () => {
  const data = await tinyStudies();
  const stopped = await temporaryFolder();
  const { status, stderr } = await stoppedRun(
    [...trainArgs(stopped, data), '--profile'],
    ['checkpoints/pretraining', 1, 'SIGINT'],
  );
  expect(status, stderr).toBe(130);
  expect(stderr).toMatch(/profile: .*profile\.json.*\n(.*\n)*stopped; /);
  expect(eventsOf(stopped, 2)[0]!.name).toBe('pretraining, epoch 1, step 1');
  const resumed = await spinegrad(...trainArgs(stopped, data), '--resume');
  expect(resumed).toMatchObject({ status: 0, stderr: expect.not.stringContaining('profile') });
});
