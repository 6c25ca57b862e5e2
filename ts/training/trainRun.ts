/** A run by its options: opens its folder and trains. The command `train` and the public API call this. */
import { resolve } from 'node:path';
import type { DeviceKind } from '../engine/openDevice.js';
import { SpinegradError } from '../error.js';
import type { Summary } from '../evaluation/types.js';
import type { Settings } from './config.js';
import { type Progress, silent } from './progress.js';
import { openRunFolder } from './runFolder.js';
import type { LogRow } from './runLog.js';
import { train } from './train.js';

export interface TrainRunOptions {
  /** Folder of the run. */
  out: string;
  /** Data folder (docs/data.md); default: phantom studies that are generated for the run. */
  data?: string | undefined;
  /** Settings to start from; default `demo`. */
  preset?: string | undefined;
  /** Changes of the preset with its nesting (docs/settings.md), for example `{ pretraining: { epochs: 5 } }`. */
  settings?: Settings | undefined;
  /** Continue the run in the folder, or start a new one if there is none; default false. */
  resume?: boolean | undefined;
  /** Default `auto`. */
  device?: DeviceKind | undefined;
  /** Write profile.json, and a table by operation to `progress`; default false. */
  profile?: boolean | undefined;
  /** Default: nothing is shown. */
  progress?: Progress | undefined;
  /** Called after each epoch with its row of metrics.jsonl (docs/results.md). */
  onEpoch?: ((row: LogRow) => void) | undefined;
  /** Stops the run after the current step, with a checkpoint. The promise rejects with the signal's reason. */
  signal?: AbortSignal | undefined;
}

/**
 * Trains graders, compares them on the test patients and writes the report.
 *
 * @returns the content of summary.json
 * @throws SpinegradError of `openRunFolder` and of the parts of a run; the signal's reason when it is aborted
 *
 * @example
 * const onEpoch = ({ stage, epoch }) => console.log(stage, epoch);
 * await trainRun({ out: 'runs/mine', data: 'rsna', preset: 'smoke', settings: { seed: 2 }, onEpoch });
 * await predict(device, { input: 'study', model: 'runs/mine' });
 */
export async function trainRun(options: TrainRunOptions): Promise<Summary> {
  const { preset, settings = {}, data, resume = false, device = 'auto', progress = silent } = options;
  const { profile, onEpoch, signal = new AbortController().signal } = options;
  const dir = resolve(options.out);
  const { identity, resumed, lock, discard } = await openRunFolder(dir, resume, {
    preset,
    changes: [settings],
    data: data === undefined ? undefined : resolve(data),
  });
  using _ = lock;
  progress.line(`run ${dir}${resume && !resumed ? ': there is no run to resume; starting a new one' : ''}`);
  if (lock.tookOver !== undefined)
    progress.line(`removed the lock of process ${lock.tookOver}, which has ended`);
  try {
    return await train({ dir, identity, resume: resumed, device, profile, progress, onEpoch, signal });
  } catch (error) {
    if (!signal.aborted && isRefusal(error)) await discard();
    throw error;
  }
}

/** Errors of the machine: a run that has not begun may have written much and can be resumed. */
const OF_MACHINE = ['ERR_WRITE', 'ERR_DISK_FULL', 'ERR_FOLDER_DELETED'];

/** Whether an error refuses the settings or the data of a run. */
const isRefusal = (error: unknown): boolean =>
  error instanceof SpinegradError && !OF_MACHINE.includes(error.code);
