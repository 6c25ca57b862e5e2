/**
 * Allows one process per run folder. The file `lock` names the process; link(2) creates it atomically, and it is removed when
 * the process ends. A lock that kill -9 left is replaced if its process no longer exists. The start time of the process
 * distinguishes it from a later process with the same id.
 */
import { randomBytes } from 'node:crypto';
import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { SpinegradError } from '../error.js';
import { writeError } from '../io/atomic.js';

/** Start time of a process in clock ticks since boot (proc(5), field 22); '' if there is no such process. */
function startTime(pid: number | string): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]!;
  } catch {
    return '';
  }
}

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
  const owner = `${process.pid} ${startTime(process.pid)} ${hostname()}`;
  const temporary = `${path}.${randomBytes(4).toString('hex')}.tmp`;
  let tookOver: string | undefined;
  try {
    writeFileSync(temporary, owner);
    while (!linked(temporary, path)) {
      const found = readFileSync(path, 'utf8');
      const [pid = '', started, host] = found.split(' ');
      if (host !== hostname() || startTime(pid) === started) throw locked(dir, path, found);
      const old = `${temporary}.old`;
      renameSync(path, old);
      // If another process replaced the lock after it was read, its lock is put back.
      if (readFileSync(old, 'utf8') !== found) linked(old, path);
      rmSync(old);
      tookOver = pid;
    }
  } catch (error) {
    throw writeError(path, error);
  } finally {
    rmSync(temporary, { force: true });
  }
  const release = () => {
    process.off('exit', release);
    rmSync(path, { force: true });
  };
  process.on('exit', release);
  return { tookOver, [Symbol.dispose]: release };
}

/** Creates the hard link `to`; false if it exists. */
function linked(from: string, to: string): boolean {
  try {
    linkSync(from, to);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

function locked(dir: string, path: string, owner: string): SpinegradError {
  const [pid, , host] = owner.split(' ');
  const machine = host === hostname() ? '' : ` on ${host}`;
  const advice = machine ? `or delete ${path} if it has ended` : 'or choose another --out folder';
  return new SpinegradError(
    'ERR_RUN_LOCKED',
    `${dir}: process ${pid}${machine} is using this folder; wait until it ends, ${advice}`,
  );
}
