/** Files that name the process that owns something: `<pid> <start time> <host>`. */
import { randomBytes } from 'node:crypto';
import { linkSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';

export interface Owner {
  pid: string;
  host: string;
  /** Whether the process is on this machine. */
  local: boolean;
  /** Whether the process exists; always true on another machine, where it cannot be seen. */
  alive: boolean;
}

/**
 * Start time of a process in clock ticks since boot (proc(5), field 22); '' if there is no such process. It distinguishes
 * a process from a later one with the same id.
 */
function startTime(pid: number | string): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]!;
  } catch {
    return '';
  }
}

/** The text that names this process. */
export const ownText = (): string => `${process.pid} ${startTime(process.pid)} ${hostname()}`;

/** The process that a text of `ownText` names. */
export function ownerOf(text: string): Owner {
  const [pid = '', started, host = ''] = text.split(' ');
  const local = host === hostname();
  return { pid, host, local, alive: !local || startTime(pid) === started };
}

/**
 * Creates a file with a text, whole and only if there is none; link(2) makes it atomic, also between machines.
 *
 * @returns whether the file was created
 */
export function createExclusive(path: string, text: string): boolean {
  const temporary = `${path}.${randomBytes(4).toString('hex')}.tmp`;
  try {
    writeFileSync(temporary, text);
    return linked(temporary, path);
  } finally {
    rmSync(temporary, { force: true });
  }
}

/** Creates the hard link `to`; false if it exists. */
export function linked(from: string, to: string): boolean {
  try {
    linkSync(from, to);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    // NFS can lose the answer to a call that succeeded (open(2), O_EXCL); the link count tells.
    return statSync(from).nlink > 1;
  }
}
