/** A run that a program starts: callbacks, cancellation and resume. */
import { expect, it } from 'vitest';
import { type TrainRunOptions, trainRun } from '#spinegrad/spine.js';
import { merge, parseSetting } from '#spinegrad/training/config.js';
import type { LogRow } from '#spinegrad/training/runLog.js';
import { changes, readLog, readSummary, temporaryFolder, tinyStudies } from './runs.js';

it('trainRun calls onEpoch with each row of the log, stops at its signal and resumes', async () => {
  const settings = changes({}).map(parseSetting).reduce(merge, {});
  const [out, data] = [await temporaryFolder(), await tinyStudies()];
  const rows: LogRow[] = [];
  const options: TrainRunOptions = { out, data, preset: 'smoke', settings, device: 'cpu' };

  const [abort, reason] = [new AbortController(), new Error('enough')];
  const onFirst = (row: LogRow) => {
    rows.push(row);
    abort.abort(reason);
  };
  await expect(trainRun({ ...options, onEpoch: onFirst, signal: abort.signal })).rejects.toBe(reason);
  expect(rows).toHaveLength(1);
  expect(readLog(out)).toEqual(rows);

  await expect(trainRun(options)).rejects.toMatchObject({ code: 'ERR_RUN_EXISTS' });
  const lines: string[] = [];
  const progress = { update: () => {}, line: (text: string) => void lines.push(text), end: () => {} };
  const summary = await trainRun({ ...options, resume: true, progress, onEpoch: (row) => rows.push(row) });
  expect(lines[0]).toBe(`run ${out}`);
  expect(readLog(out)).toEqual(rows);
  expect(readSummary(out)).toEqual(JSON.parse(JSON.stringify(summary)));
});
