import { SpinegradError } from '../error.js';
import { writeError } from '../io/atomic.js';

/**
 * Converts an error of the file system into ERR_WRITE or ERR_DISK_FULL, and any other error into ERR_PHANTOM. Must run
 * in the thread that threw: a message to another thread drops the `code`.
 */
export function asSpinegradError(path: string, error: unknown): SpinegradError {
  if (error instanceof SpinegradError) return error;
  if (typeof (error as NodeJS.ErrnoException | null)?.syscall === 'string') return writeError(path, error);
  const message = error instanceof Error ? error.message : String(error);
  return new SpinegradError('ERR_PHANTOM', `phantom: cannot generate a study for ${path}: ${message}`, {
    cause: error,
  });
}
