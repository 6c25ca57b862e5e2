/** `spinegrad predict --out`: grades many studies. */
import { readFile } from 'node:fs/promises';
import { type DeviceKind, openDevice } from '../engine/openDevice.js';
import { SpinegradError } from '../error.js';
import { readError } from '../io/files.js';
import { predictInto } from '../predict/predictInto.js';
import { isFailed } from '../predict/predictMany.js';
import { EXIT } from './exitCodes.js';
import { interruptible } from './interruptible.js';
import { terminalProgress } from './progress.js';
import { mpiRank } from './rank.js';

export interface ManyFlags {
  model: string;
  out: string;
  list?: string;
  shard?: { index: number; count: number };
  arm?: string;
  spacing?: number;
  device: DeviceKind;
}

/** @throws SpinegradError ERR_CONFIG without a study; of `predictInto` */
export async function gradeMany(named: readonly string[], flags: ManyFlags): Promise<void> {
  const { out, list, model, arm, spacing, shard = mpiRank(process.env) ?? undefined } = flags;
  const inputs = [...named, ...(list === undefined ? [] : await readList(list))];
  if (inputs.length === 0) {
    throw new SpinegradError(
      'ERR_CONFIG',
      'predict: found no study; name studies, or a file of them with --list',
    );
  }
  using device = await openDevice(flags.device);
  const progress = terminalProgress();
  const counts = { graded: 0, doubtful: 0, failed: 0 };
  await interruptible(progress, 'the same command continues', (signal) =>
    predictInto(device, {
      ...{ inputs, out, model, arm, spacing, shard, signal },
      onOutcome(outcome, done, total) {
        if (isFailed(outcome)) {
          counts.failed++;
          progress.line(`not graded: ${outcome.message}`);
        } else {
          counts.graded++;
          if (outcome.doubtful || outcome.notGraded.length > 0) counts.doubtful++;
        }
        progress.update('studies', done, total);
      },
    }),
  );
  const { graded, doubtful, failed } = counts;
  console.log(`${out}: graded ${graded}, ${doubtful} with doubts or missing grades; failed ${failed}`);
  if (doubtful + failed > 0) process.exitCode ??= EXIT.incomplete;
}

/** The lines of a file. Empty lines and those that begin with # are ignored. */
async function readList(path: string): Promise<string[]> {
  const text = await readFile(path, 'utf8').catch((cause) => {
    throw readError(path, cause);
  });
  return text
    .split(/\r?\n/)
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'));
}
