/** Ctrl-C and SIGTERM: the first asks the work to end at its next safe point, the second ends the process at once. */
import { constants } from 'node:os';
import { SpinegradError } from '../error.js';
import type { Progress } from '../training/progress.js';

/**
 * Runs work that ends early, with what it has done kept, when its signal is aborted; the exit code is then 130 (143 for
 * SIGTERM), as shells expect. What goes wrong while stopping is still an error.
 *
 * @param advice how to go on after a stop
 */
export async function interruptible(
  progress: Progress,
  advice: string,
  work: (signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const abort = new AbortController();
  const { signal } = abort;
  let exitCode = 0;
  const stop = (name: 'SIGINT' | 'SIGTERM') => {
    exitCode = 128 + constants.signals[name];
    if (signal.aborted) {
      progress.end();
      process.exit(exitCode);
    }
    progress.line('stopping at the next safe point; press Ctrl-C again to stop at once');
    abort.abort();
  };
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
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
    process.off('SIGINT', stop);
    process.off('SIGTERM', stop);
  }
}
