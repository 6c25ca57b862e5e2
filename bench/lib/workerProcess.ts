/** A child process that answers requests, one line of JSON each, and sleeps between them. */
import { type ChildProcess, spawn } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { setTimeout } from 'node:timers/promises';
import { SpinegradError } from '#spinegrad/error.js';

/** Polls, 1 ms apart, before a thread that is still running is considered permanently busy. */
const MAX_POLLS = 100;

export class WorkerProcess implements Disposable {
  readonly #process: ChildProcess;
  readonly #lines: AsyncIterator<string>;
  readonly #failed: Promise<{ missing: string }>;

  constructor(
    readonly command: readonly [string, ...string[]],
    environment: Readonly<Record<string, string>> = {},
  ) {
    const [program, ...args] = command;
    this.#process = spawn(program, args, {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: { ...process.env, ...environment },
    });
    this.#failed = new Promise((settle) =>
      this.#process.once('error', (error) => settle({ missing: error.message })),
    );
    this.#process.stdin!.on('error', () => undefined); // receive() reports the missing answer
    this.#lines = createInterface({ input: this.#process.stdout! })[Symbol.asyncIterator]();
  }

  /** Returns the next line, or the reason why there is none. */
  async receive<T>(): Promise<T | { missing: string }> {
    const line = await Promise.race([this.#lines.next(), this.#failed]);
    if ('missing' in line) return line;
    return line.done ? { missing: `${this.command.join(' ')} ended` } : JSON.parse(line.value);
  }

  /**
   * Sends a request and returns its answer once all threads of the process sleep. OpenMP threads spin for about 5 ms
   * after their work and would slow down the process that measures next.
   *
   * @throws SpinegradError ERR_PEER if the answer is an error or the process has ended
   */
  async request<T>(message: unknown): Promise<T> {
    this.#process.stdin!.write(`${JSON.stringify(message)}\n`);
    const answer = await this.receive<T & { error?: string }>();
    const { missing, error } = answer as { missing?: string; error?: string };
    const problem = missing ?? error;
    if (problem !== undefined) throw new SpinegradError('ERR_PEER', `${this.command[1]}: ${problem}`);
    await this.#untilAsleep();
    return answer as T;
  }

  /** Waits until no thread of the process is in state R (proc(5)). */
  async #untilAsleep(): Promise<void> {
    const threads = `/proc/${this.#process.pid}/task`;
    for (let poll = 0; poll < MAX_POLLS; poll++) {
      const names = await readdir(threads).catch(() => []); // the process may have ended
      const states = await Promise.all(
        names.map((name) => readFile(`${threads}/${name}/stat`, 'utf8').catch(() => '')),
      );
      if (!states.some((state) => /\) R /.test(state))) return;
      await setTimeout(1);
    }
  }

  [Symbol.dispose](): void {
    this.#process.stdin!.end();
  }
}
