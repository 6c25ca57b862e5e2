/**
 * Allows one process per run folder. The file `lock` names the process; link(2) creates it atomically, and it is removed when
 * the process ends. A lock that kill -9 left is replaced if its process no longer exists.
 */
import { randomBytes } from 'node:crypto';
import { renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { SpinegradError } from '../error.js';
import { writeError } from '../io/atomic.js';
import { readTextSync } from '../io/files.js';
import { createExclusive, linked, type Owner, ownerOf, ownText } from '../io/owner.js';

export interface Lock extends Disposable {
  /** Id of the ended process whose lock was replaced. */
  readonly tookOver: string | undefined;
}

/**
 * Locks a folder until the lock is disposed or the process ends.
 *
 * @throws SpinegradError ERR_RUN_LOCKED, ERR_WRITE, ERR_DISK_FULL
 */
export function lockFolder(dir: string): Lock {
  const path = join(dir, 'lock');
  let tookOver: string | undefined;
  try {
    while (!createExclusive(path, ownText())) {
      const found = readTextSync(path);
      const owner = ownerOf(found);
      if (owner.alive) throw locked(dir, path, owner);
      const old = `${path}.${randomBytes(4).toString('hex')}.old`;
      renameSync(path, old);
      // If another process replaced the lock after it was read, its lock is put back.
      if (readTextSync(old) !== found) linked(old, path);
      rmSync(old);
      tookOver = owner.pid;
    }
  } catch (error) {
    throw writeError(path, error);
  }
  const release = () => {
    process.off('exit', release);
    rmSync(path, { force: true });
  };
  process.on('exit', release);
  return { tookOver, [Symbol.dispose]: release };
}

function locked(dir: string, path: string, { pid, host, local }: Owner): SpinegradError {
  const machine = local ? '' : ` on ${host}`;
  const advice = local ? 'or choose another --out folder' : `or delete ${path} if it has ended`;
  return new SpinegradError(
    'ERR_RUN_LOCKED',
    `${dir}: process ${pid}${machine} is using this folder; wait until it ends, ${advice}`,
  );
}
