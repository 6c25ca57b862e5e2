/** The error for a file that cannot be read. */
import { SpinegradError } from '../error.js';

/** Converts an error of Node's file system into ERR_FILE_NOT_FOUND or ERR_FILE_READ. */
export function readError(path: string, cause: unknown): SpinegradError {
  const { code, message } = cause as NodeJS.ErrnoException;
  if (code === 'ENOENT') {
    return new SpinegradError('ERR_FILE_NOT_FOUND', `${path}: there is no such file`, { cause });
  }
  const found = code === 'EISDIR' ? 'it is a folder, expected a file' : message;
  return new SpinegradError('ERR_FILE_READ', `${path}: cannot be read: ${found}`, { cause });
}
