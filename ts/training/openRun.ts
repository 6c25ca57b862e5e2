import { CheckpointStore } from './checkpoint.js';
import { hashOf } from './runFolder.js';
import { type LogRow, RunLog } from './runLog.js';
import type { Run } from './stage.js';

/**
 * Opens the checkpoints and the log of a folder for its stages.
 *
 * @param data fingerprint of the bank; checkpoints of other data are refused
 * @param resume whether to keep the rows of an earlier log
 * @param onRow called with each new row of the log
 */
export async function openRun(
  parts: Omit<Run, 'checkpoints' | 'log'>,
  data: string,
  resume: boolean,
  onRow?: (row: LogRow) => void,
): Promise<Run> {
  return {
    ...parts,
    checkpoints: new CheckpointStore(parts.dir, { config: hashOf(parts.config), data }),
    log: await RunLog.open(parts.dir, resume, onRow),
  };
}
