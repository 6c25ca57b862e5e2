/**
 * Atomic file writes: the bytes go to a temporary file in the same folder, fsync(2) forces them to the disk, and
 * rename(2) gives the file its name. After a kill or a power cut, a reader finds the old file or the new one, never a
 * part of either.
 */
import { randomBytes } from 'node:crypto';
import { constants, existsSync, statSync } from 'node:fs';
import { access, mkdir, open, readdir, rename, rm } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { SpinegradError } from '../error.js';

/**
 * Writes `data`, or its chunks one after the other, to `path` atomically. A path that is not a regular file, for
 * example /dev/stdout or a pipe, is written to directly and never replaced.
 *
 * @throws SpinegradError ERR_DISK_FULL, ERR_WRITE
 */
export async function writeFileAtomic(
  path: string,
  data: string | Uint8Array | Iterable<Uint8Array>,
): Promise<void> {
  const temporary = temporaryOf(path);
  try {
    if (isSpecial(path)) {
      await using file = await open(path, 'w');
      for (const chunk of chunksOf(data)) await writeAll(file, chunk);
      return;
    }
    const file = await open(temporary, 'wx');
    try {
      for (const chunk of chunksOf(data)) await writeAll(file, chunk);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
    await syncFolder(dirname(path));
  } catch (cause) {
    await rm(temporary, { force: true }).catch(() => {});
    throw writeError(path, cause);
  }
}

/**
 * Checks before long work that `writeFileAtomic` can write a file. Nothing remains.
 *
 * @param path undefined: there is nothing to write
 * @throws SpinegradError ERR_DISK_FULL, ERR_WRITE
 */
export async function expectWritable(path: string | undefined): Promise<void> {
  if (path === undefined) return;
  try {
    if (isSpecial(path)) return await access(path, constants.W_OK);
    if (existsSync(path) && !statSync(path).isFile())
      throw Object.assign(new Error('it is a folder'), { code: 'EISDIR' });
    const temporary = temporaryOf(path);
    await (await open(temporary, 'wx')).close();
    await rm(temporary);
  } catch (cause) {
    throw writeError(path, cause);
  }
}

const temporaryOf = (path: string): string => `${path}.${randomBytes(4).toString('hex')}.tmp`;

/** Whether a path is a device, a pipe or a socket. */
function isSpecial(path: string): boolean {
  const found = statSync(path, { throwIfNoEntry: false });
  return found !== undefined && !found.isFile() && !found.isDirectory();
}

/**
 * Creates a folder and its parents. (In Node 20, mkdir with `recursive: true` never returns for a path below /proc.)
 *
 * @throws SpinegradError ERR_DISK_FULL, ERR_WRITE
 */
export async function makeFolder(path: string): Promise<void> {
  try {
    await makeParts(resolve(path));
  } catch (cause) {
    throw writeError(path, cause);
  }
}

async function makeParts(path: string): Promise<void> {
  try {
    await mkdir(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' && dirname(path) !== path && !existsSync(dirname(path))) {
      await makeParts(dirname(path));
      await mkdir(path);
    } else if (code !== 'EEXIST' || !statSync(path).isDirectory()) throw error;
  }
}

/**
 * Creates a folder in an existing one. A folder that was deleted while it was in use is not created again.
 *
 * @throws SpinegradError ERR_FOLDER_DELETED if `folder` does not exist; ERR_DISK_FULL, ERR_WRITE
 */
export async function makeSubfolder(folder: string, name: string): Promise<string> {
  const path = join(folder, name);
  try {
    await mkdir(path);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === 'ENOENT') throw folderDeleted(folder, cause);
    if (code !== 'EEXIST' || !statSync(path).isDirectory()) throw writeError(path, cause);
  }
  return path;
}

export const folderDeleted = (folder: string, cause: unknown): SpinegradError =>
  new SpinegradError(
    'ERR_FOLDER_DELETED',
    `${resolve(folder)}: the folder was deleted while it was in use; nothing more is written; run the command again`,
    { cause },
  );

/** Removes the temporary files that killed writers left in a folder. The folder may be missing. */
export async function removeTemporaries(folder: string): Promise<void> {
  for (const name of await readdir(folder).catch(() => [])) {
    if (/\.[0-9a-f]{8}\.tmp$/.test(name)) await rm(join(folder, name), { force: true }).catch(() => {});
  }
}

/** Converts an error of Node's file system into ERR_DISK_FULL or ERR_WRITE, with advice. */
export function writeError(path: string, cause: unknown): SpinegradError {
  if (cause instanceof SpinegradError) return cause;
  const { code, message } = cause as NodeJS.ErrnoException;
  const absolute = resolve(path);
  const advice: Record<string, string> = {
    EROFS: 'the file system is read-only; choose another output folder',
    EACCES: 'permission denied; make the folder writable or choose another one',
    EPERM: 'operation not permitted; make the folder writable or choose another one',
    ENOENT: 'the folder does not exist; create it first',
    ENOTDIR: 'a part of the path is a file, not a folder; choose another path',
    EEXIST: 'it is a file, expected a folder; remove it or choose another path',
    EISDIR: 'it is a folder, expected a file; remove it or choose another path',
  };
  if (code === 'ENOSPC' || code === 'EDQUOT' || code === 'EFBIG') {
    const reason = code === 'EDQUOT' ? 'quota exceeded' : code === 'EFBIG' ? 'file too large' : 'disk full';
    return new SpinegradError(
      'ERR_DISK_FULL',
      `cannot write ${absolute}: ${reason}; free some space or choose another output folder, then run again`,
      { cause },
    );
  }
  return new SpinegradError('ERR_WRITE', `cannot write ${absolute}: ${advice[code ?? ''] ?? message}`, {
    cause,
  });
}

/** Chunks of at most 1 GiB: one write(2) of Linux transfers at most 2 GiB. */
function* chunksOf(data: string | Uint8Array | Iterable<Uint8Array>): Generator<Uint8Array> {
  const parts = typeof data === 'string' ? [Buffer.from(data)] : data instanceof Uint8Array ? [data] : data;
  for (const part of parts) {
    for (let at = 0; at < part.byteLength; at += 2 ** 30) yield part.subarray(at, at + 2 ** 30);
  }
}

async function writeAll(file: Awaited<ReturnType<typeof open>>, chunk: Uint8Array): Promise<void> {
  for (let at = 0; at < chunk.byteLength; ) {
    at += (await file.write(chunk, at)).bytesWritten;
  }
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
