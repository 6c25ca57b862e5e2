/**
 * A process that answers lines of JSON with lines of JSON; between two questions it sleeps. That it does is waited for:
 * threads of OpenMP spin for some 5 ms after their work, in case there is more, and would take a core from whoever
 * measures next.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { setTimeout } from 'node:timers/promises';
import { SpinegradError } from '#spinegrad/error.js';

/** How often a thread may be seen running, a millisecond apart, before it counts as one that never rests. */
const LOOKS = 100;

export class Conversation implements Disposable {
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
    this.#process.stdin!.on('error', () => undefined); // the answer that does not come tells it
    this.#lines = createInterface({ input: this.#process.stdout! })[Symbol.asyncIterator]();
  }

  /** The next line that comes, or why none does. */
  async next<T>(): Promise<T | { missing: string }> {
    const line = await Promise.race([this.#lines.next(), this.#failed]);
    if ('missing' in line) return line;
    return line.done ? { missing: `${this.command.join(' ')} ended` } : JSON.parse(line.value);
  }

  /** @throws SpinegradError ERR_PEER with what the other side says, or that it has ended */
  async ask<T>(question: unknown): Promise<T> {
    this.#process.stdin!.write(`${JSON.stringify(question)}\n`);
    const answer = await this.next<T & { error?: string }>();
    const wrong =
      (answer as { missing?: string; error?: string }).missing ?? (answer as { error?: string }).error;
    if (wrong !== undefined) throw new SpinegradError('ERR_PEER', `${this.command[1]}: ${wrong}`);
    await this.#rest();
    return answer as T;
  }

  /** Until the kernel says of none of its threads that it runs. */
  async #rest(): Promise<void> {
    const threads = `/proc/${this.#process.pid}/task`;
    for (let look = 0; look < LOOKS; look++) {
      const names = await readdir(threads).catch(() => []); // none where the process has ended
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
