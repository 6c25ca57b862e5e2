/** metrics.jsonl: one line of JSON an epoch, written as it ends, so that a killed run leaves what it had learned. */
import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeError, writeFileAtomic } from '../data/atomic.js';

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

  /** A new log, or the old one's whole lines when resuming. */
  static async open(dir: string, resume: boolean): Promise<RunLog> {
    const log = new RunLog(join(dir, 'metrics.jsonl'));
    if (resume && existsSync(log.#path)) {
      const lines = readFileSync(log.#path, 'utf8').split('\n');
      // A kill may leave half of the last line.
      log.#rows = lines.slice(0, -1).map((line) => JSON.parse(line) as LogRow);
    }
    await log.#rewrite();
    return log;
  }

  /** Drops what a stage logged behind `epoch`: the run goes on from that checkpoint. */
  async rewind(stage: string, epoch: number): Promise<void> {
    const kept = this.#rows.filter((row) => row.stage !== stage || row.epoch <= epoch);
    if (kept.length === this.#rows.length) return;
    this.#rows = kept;
    await this.#rewrite();
  }

  append(row: LogRow): void {
    this.#rows.push(row);
    try {
      appendFileSync(this.#path, `${JSON.stringify(row)}\n`);
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
