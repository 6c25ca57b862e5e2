import { SpinegradError } from '../error.js';
import { writeError } from '../io/atomic.js';

/** An error of the file system in words (its `code` would be lost between threads); any other as ERR_PHANTOM. */
export function asSpinegradError(path: string, error: unknown): SpinegradError {
  if (error instanceof SpinegradError) return error;
  if (typeof (error as NodeJS.ErrnoException | null)?.syscall === 'string') return writeError(path, error);
  const message = error instanceof Error ? error.message : String(error);
  return new SpinegradError('ERR_PHANTOM', `phantom: a study for ${path} failed: ${message}`, {
    cause: error,
  });
}
