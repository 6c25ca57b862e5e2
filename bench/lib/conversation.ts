/** A process that answers lines of JSON with lines of JSON; between two questions it sleeps. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { SpinegradError } from '#spinegrad/error.js';

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
    return answer as T;
  }

  [Symbol.dispose](): void {
    this.#process.stdin!.end();
  }
}
