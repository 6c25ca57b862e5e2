/**
 * One process a run folder: `lock` in it names the process that works there. It comes by link(2), whole and only where
 * there is none, and goes with the process. What kill -9 leaves is taken over when the process that it names is gone;
 * the time at which that process began tells it from a later one of the same number.
 */
import { randomBytes } from 'node:crypto';
import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { SpinegradError } from '../error.js';
import { writeError } from '../io/atomic.js';

/** Clock ticks from the machine's start to the process's (proc(5), field 22); '' where there is no such process. */
function beginning(pid: number | string): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]!;
  } catch {
    return '';
  }
}

export interface Lock extends Disposable {
  /** Number of the dead process whose lock this was. */
  readonly tookOver: string | undefined;
}

/**
 * Locks a folder until the lock is disposed or the process ends.
 *
 * @throws SpinegradError ERR_RUN_LOCKED, ERR_WRITE, ERR_DISK_FULL
 */
export function lockFolder(dir: string): Lock {
  const path = join(dir, 'lock');
  /** Number and beginning of the process, and its machine. */
  const own = `${process.pid} ${beginning(process.pid)} ${hostname()}`;
  const spare = `${path}.${randomBytes(4).toString('hex')}.tmp`;
  let tookOver: string | undefined;
  try {
    writeFileSync(spare, own);
    while (!linked(spare, path)) {
      const owner = readFileSync(path, 'utf8');
      const [pid = '', began, host] = owner.split(' ');
      if (host !== hostname() || beginning(pid) === began) throw locked(dir, path, owner);
      renameSync(path, `${spare}.old`);
      const taken = readFileSync(`${spare}.old`, 'utf8');
      // Another process may have taken over between the two readings: it gets its lock back.
      if (taken !== owner) linked(`${spare}.old`, path);
      rmSync(`${spare}.old`);
      tookOver = pid;
    }
  } catch (error) {
    throw writeError(path, error);
  } finally {
    rmSync(spare, { force: true });
  }
  const release = () => {
    process.off('exit', release);
    rmSync(path, { force: true });
  };
  process.on('exit', release);
  return { tookOver, [Symbol.dispose]: release };
}

/** Gives a file a second name unless that is taken. */
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
  const elsewhere = host === hostname() ? '' : ` on ${host}`;
  const advice = elsewhere ? `or delete ${path} if it has ended` : 'or choose another --out folder';
  return new SpinegradError(
    'ERR_RUN_LOCKED',
    `${dir}: found process ${pid}${elsewhere} at work here, expected none; wait until it ends, ${advice}`,
  );
}
