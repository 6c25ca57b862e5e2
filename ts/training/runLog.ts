/**
 * metrics.jsonl: one JSON line per epoch, appended when the epoch ends, so that it can be followed during a run. A
 * resumed run trusts the rows of its checkpoints; the file is rewritten to agree with them.
 */
import { appendFileSync, existsSync } from 'node:fs';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { writeError, writeFileAtomic } from '../io/atomic.js';
import { readTextSync } from '../io/files.js';
import { parseJson } from '../io/json.js';

export interface LogRow {
  stage: string;
  /** From 1. */
  epoch: number;
}

export class RunLog {
  readonly #path: string;
  #rows: LogRow[] = [];

  private constructor(
    path: string,
    private readonly onRow: (row: LogRow) => void,
  ) {
    this.#path = path;
  }

  /** A new log, or the readable lines of the old one when resuming: a kill can leave half of the last line. */
  static async open(dir: string, resume: boolean, onRow: (row: LogRow) => void = () => {}): Promise<RunLog> {
    const log = new RunLog(join(dir, 'metrics.jsonl'), onRow);
    if (resume && existsSync(log.#path)) {
      const lines = readTextSync(log.#path).split('\n');
      log.#rows = lines.flatMap((line) => {
        try {
          const row: LogRow | null = parseJson(line);
          return typeof row?.stage === 'string' ? [row] : [];
        } catch {
          return [];
        }
      });
    }
    await log.#rewrite();
    return log;
  }

  /** Replaces the rows of a stage by those of the checkpoint from which it resumes. */
  async restore(stage: string, rows: readonly LogRow[]): Promise<void> {
    const found = this.#rows.filter((row) => row.stage === stage);
    if (isDeepStrictEqual(found, rows)) return;
    this.#rows = [...this.#rows.filter((row) => row.stage !== stage), ...rows];
    await this.#rewrite();
  }

  append(row: LogRow): void {
    this.#rows.push(row);
    try {
      appendFileSync(this.#path, `${JSON.stringify(row)}\n`);
    } catch (cause) {
      throw writeError(this.#path, cause);
    }
    this.onRow(row);
  }

  async #rewrite(): Promise<void> {
    await writeFileAtomic(this.#path, this.#rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
  }
}
