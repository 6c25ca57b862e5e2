/**
 * Claims of the units of a study. A claim is a file `claims/<unit>.<n>` that names its process; link(2) creates it
 * atomically. The file with the largest n counts. A claim is taken over by creating the next one, so no claim is ever moved
 * or replaced by another process, and of several processes exactly one succeeds.
 *
 * A claim is over if it was released, if its process on this machine has ended, or if its process on another machine has not
 * touched the file for STALE_MS.
 */
import { readdirSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeError } from '../io/atomic.js';
import { readError, readTextSync } from '../io/files.js';
import { createExclusive, type Owner, ownerOf, ownText } from '../io/owner.js';

const HEARTBEAT_MS = 20_000;

/** Much longer than a heartbeat, because file systems and clocks of a cluster lag. */
export const STALE_MS = 10 * 60_000;

const RELEASED = 'released';

export interface Holder extends Owner {
  /** Time of the claim in ms since 1970. */
  since: number;
}

export class Claims {
  constructor(private readonly dir: string) {}

  /**
   * Claims a unit until the claim is disposed or the process ends.
   *
   * @returns null if another process holds it
   * @throws SpinegradError ERR_WRITE, ERR_DISK_FULL
   */
  take(unit: string): Disposable | null {
    for (;;) {
      const last = this.#last(unit);
      if (last > 0 && this.#holder(unit, last) !== null) return null;
      const path = this.#path(unit, last + 1);
      try {
        if (!createExclusive(path, claimText())) continue;
      } catch (cause) {
        throw writeError(path, cause);
      }
      for (let old = last; old > 0 && removed(this.#path(unit, old)); ) old--;
      return holding(path);
    }
  }

  /** The process that holds a unit; null if none does. */
  holder(unit: string): Holder | null {
    const last = this.#last(unit);
    return last === 0 ? null : this.#holder(unit, last);
  }

  #path(unit: string, n: number): string {
    return join(this.dir, `${unit}.${n}`);
  }

  /** Number of the last claim; 0 without one. */
  #last(unit: string): number {
    const numbers = readdirSync(this.dir).map((name) => {
      const [, owner, n] = /^(.*)\.(\d+)$/.exec(name) ?? [];
      return owner === unit ? Number(n) : 0;
    });
    return Math.max(0, ...numbers);
  }

  #holder(unit: string, n: number): Holder | null {
    const path = this.#path(unit, n);
    try {
      const text = readTextSync(path);
      if (text === RELEASED) return null;
      const [since, ...owner] = text.split(' ');
      const found = ownerOf(owner.join(' '));
      const stale = !found.local && Date.now() - statSync(path).mtimeMs > STALE_MS;
      return found.alive && !stale ? { ...found, since: Number(since) } : null;
    } catch (error) {
      // Another process has just taken over the unit.
      if (readError(path, error).code === 'ERR_FILE_NOT_FOUND') return this.holder(unit);
      throw error;
    }
  }
}

const claimText = (): string => `${Date.now()} ${ownText()}`;

function removed(path: string): boolean {
  const found = statSync(path, { throwIfNoEntry: false }) !== undefined;
  rmSync(path, { force: true });
  return found;
}

/** Touches the claim at intervals, and marks it as released at the end. */
function holding(path: string): Disposable {
  const beat = setInterval(() => {
    const now = new Date();
    try {
      utimesSync(path, now, now);
    } catch {
      // The study's folder was deleted or cannot be reached; the unit will fail with its own error.
    }
  }, HEARTBEAT_MS);
  beat.unref();
  const release = () => {
    clearInterval(beat);
    process.off('exit', release);
    try {
      writeFileSync(`${path}.tmp`, RELEASED);
      renameSync(`${path}.tmp`, path);
    } catch {
      // The same.
    }
  };
  process.on('exit', release);
  return { [Symbol.dispose]: release };
}
