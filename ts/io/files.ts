/** Checks of files before they are read, and the error for a file that cannot be read. */
import { type Dirent, readFileSync, type Stats, statSync } from 'node:fs';
import { readdir, readFile, stat } from 'node:fs/promises';
import { isAbsolute, relative, resolve, sep } from 'node:path';
import { SpinegradError } from '../error.js';

/**
 * Refuses a path that is not a regular file. Reading a pipe would wait for a writer.
 *
 * @throws SpinegradError ERR_FILE_NOT_FOUND, ERR_FILE_READ
 */
export async function expectFile(path: string): Promise<void> {
  const found = await stat(path).catch((cause) => {
    throw readError(path, cause);
  });
  checkKind(path, found);
}

/**
 * The bytes of a regular file.
 *
 * @throws SpinegradError ERR_FILE_NOT_FOUND, ERR_FILE_READ
 */
export async function readBytes(path: string): Promise<Buffer> {
  await expectFile(path);
  return await readFile(path).catch((cause) => {
    throw readError(path, cause);
  });
}

/**
 * The text of a regular file.
 *
 * @throws SpinegradError ERR_FILE_NOT_FOUND, ERR_FILE_READ
 */
export async function readText(path: string): Promise<string> {
  await expectFile(path);
  return await readFile(path, 'utf8').catch((cause) => {
    throw readError(path, cause);
  });
}

/** `readText` for callers that cannot wait. */
export function readTextSync(path: string): string {
  try {
    checkKind(path, statSync(path));
    return readFileSync(path, 'utf8');
  } catch (cause) {
    throw readError(path, cause);
  }
}

/**
 * Whether a file or folder exists.
 *
 * @throws SpinegradError ERR_FILE_READ if that is not known, for example in a folder without permission
 */
export async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw readError(path, cause);
  }
}

/**
 * The files and folders in a folder.
 *
 * @throws SpinegradError ERR_FILE_NOT_FOUND, ERR_FILE_READ
 */
export async function entriesOf(folder: string): Promise<Dirent[]> {
  return readdir(folder, { withFileTypes: true }).catch((cause) => {
    throw readError(folder, cause);
  });
}

/** @throws SpinegradError ERR_FILE_READ if the path is not that of a regular file */
export function checkKind(path: string, found: Stats): void {
  if (found.isFile()) return;
  const kind = found.isDirectory() ? 'a folder' : 'a pipe, a socket or a device';
  throw new SpinegradError('ERR_FILE_READ', `${path}: cannot be read: it is ${kind}, expected a file`);
}

/**
 * The path, relative to a folder, of a file that a table names; null if the text leads out of the folder. Symbolic links are
 * not resolved: who makes the folder decides what they show.
 *
 * @param text relative to the folder, or absolute
 */
export function pathWithin(folder: string, text: string): string | null {
  const path = relative(resolve(folder), resolve(folder, text));
  return path === '..' || path.startsWith(`..${sep}`) || isAbsolute(path) ? null : path;
}

/** Converts an error of Node's file system into ERR_FILE_NOT_FOUND or ERR_FILE_READ. */
export function readError(path: string, cause: unknown): SpinegradError {
  if (cause instanceof SpinegradError) return cause;
  const { code, message } = cause as NodeJS.ErrnoException;
  if (code === 'ENOENT') {
    return new SpinegradError('ERR_FILE_NOT_FOUND', `${path}: there is no such file or folder`, { cause });
  }
  const reasons: Record<string, string> = {
    EACCES: 'permission denied; make the file and its folders readable',
    EISDIR: 'it is a folder, expected a file',
    ENOTDIR: 'a part of the path is a file, expected a folder',
  };
  return new SpinegradError('ERR_FILE_READ', `${path}: cannot be read: ${reasons[code ?? ''] ?? message}`, {
    cause,
  });
}
