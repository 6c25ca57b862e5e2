/** Ctrl-C, SIGTERM and SIGHUP (a closed terminal): the first signal stops the work at its next safe point, the second exits immediately. */
import { constants } from 'node:os';
import { SpinegradError } from '../error.js';
import type { Progress } from '../training/progress.js';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/**
 * Runs work that can be stopped through its AbortSignal. After a stop the exit code is 130 (143 for SIGTERM, 129 for SIGHUP),
 * as shells expect. Errors other than the abort itself are rethrown.
 *
 * @param advice what to do after a stop, for the message
 */
export async function interruptible(
  progress: Progress,
  advice: string,
  work: (signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const abort = new AbortController();
  const { signal } = abort;
  let exitCode = 0;
  const stop = (name: (typeof SIGNALS)[number]) => {
    exitCode = 128 + constants.signals[name];
    if (signal.aborted) {
      progress.end();
      process.exit(exitCode);
    }
    progress.line('stopping at the next safe point; press Ctrl-C again to exit immediately');
    abort.abort();
  };
  for (const name of SIGNALS) process.on(name, stop);
  try {
    await work(signal);
  } catch (error) {
    const stopped =
      error === signal.reason || (error instanceof SpinegradError && error.code === 'ERR_ABORTED');
    if (!signal.aborted || !stopped) throw error;
    progress.line(`stopped; ${advice}`);
    process.exitCode = exitCode;
  } finally {
    progress.end();
    for (const name of SIGNALS) process.off(name, stop);
  }
}
