/**
 * metrics.jsonl: one line of JSON an epoch, written as it ends, so that it can be followed while a run goes on. What a
 * resumed run relies on are the rows in its checkpoints; the file is made to agree with them.
 */
import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { writeError, writeFileAtomic } from '../io/atomic.js';

export interface LogRow {
  stage: string;
  /** Counted from 1. */
  epoch: number;
  [metric: string]: unknown;
}

export class RunLog {
  readonly #path: string;
  #rows: LogRow[] = [];

  private constructor(path: string) {
    this.#path = path;
  }

  /** A new log, or what can be read of the old one when resuming: a kill may leave half of the last line. */
  static async open(dir: string, resume: boolean): Promise<RunLog> {
    const log = new RunLog(join(dir, 'metrics.jsonl'));
    if (resume && existsSync(log.#path)) {
      const lines = readFileSync(log.#path, 'utf8').split('\n');
      log.#rows = lines.flatMap((line) => {
        try {
          return [JSON.parse(line) as LogRow];
        } catch {
          return [];
        }
      });
    }
    await log.#rewrite();
    return log;
  }

  /** Replaces a stage's rows by those of the checkpoint from which it goes on. */
  async restore(stage: string, rows: readonly LogRow[]): Promise<void> {
    if (isDeepStrictEqual(this.rows(stage), rows)) return;
    this.#rows = [...this.#rows.filter((row) => row.stage !== stage), ...rows];
    await this.#rewrite();
  }

  append(row: LogRow): void {
    const line = JSON.stringify(row);
    // As it will be read again: what is not a number is null.
    this.#rows.push(JSON.parse(line));
    try {
      appendFileSync(this.#path, `${line}\n`);
    } catch (cause) {
      throw writeError(this.#path, cause);
    }
  }

  rows(stage: string): LogRow[] {
    return this.#rows.filter((row) => row.stage === stage);
  }

  async #rewrite(): Promise<void> {
    await writeFileAtomic(this.#path, this.#rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
  }
}
