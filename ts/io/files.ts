/** The one line that tells why a file could not be read. */
import { SpinegradError } from '../error.js';

export function readError(path: string, cause: NodeJS.ErrnoException): SpinegradError {
  return cause.code === 'ENOENT'
    ? new SpinegradError('ERR_FILE_NOT_FOUND', `${path}: there is no such file`, { cause })
    : new SpinegradError('ERR_FILE_READ', `${path}: cannot be read: ${cause.message}`, { cause });
}
