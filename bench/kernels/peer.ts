/** PyTorch on the same shapes: a Python process that times what it is sent, one case at a time (bench/peers/kernels.py). */
import { type ChildProcess, spawn } from 'node:child_process';
import { resolve } from 'node:path';
import { createInterface } from 'node:readline';
import type { Device } from '#spinegrad/engine/device.js';
import { SpinegradError } from '#spinegrad/error.js';
import type { Case } from './cases.js';
import { cacheOf, type Effort, summary, type Timing } from './measure.js';

const SCRIPT = resolve('bench/peers/kernels.py'); // npm runs scripts in the folder of package.json

export class Peer implements Disposable {
  readonly #process: ChildProcess;
  readonly #lines: AsyncIterator<string>;
  /** Versions, or why there is no peer. */
  readonly description: string;
  readonly present: boolean;

  private constructor(
    process: ChildProcess,
    lines: AsyncIterator<string>,
    hello: { torch?: string; missing?: string },
  ) {
    this.#process = process;
    this.#lines = lines;
    this.present = hello.torch !== undefined;
    this.description = hello.torch ?? `not there: ${hello.missing}`;
  }

  static async start(python: string, device: Device, effort: Effort): Promise<Peer> {
    const { properties } = device;
    const settings = {
      device: device.name,
      threads: properties.threads ?? 0,
      flushBytes: 2 * cacheOf(device),
      effort,
    };
    const child = spawn(python, [SCRIPT, JSON.stringify(settings)], { stdio: ['pipe', 'pipe', 'inherit'] });
    const failed = new Promise<string>((settle) => child.once('error', (error) => settle(error.message)));
    const lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]();
    const first = await Promise.race([lines.next(), failed.then((missing) => ({ missing }))]);
    if ('missing' in first) return new Peer(child, lines, first);
    return new Peer(
      child,
      lines,
      first.done ? { missing: `${python} ended at once` } : JSON.parse(first.value),
    );
  }

  /** Timings by native call, of those that PyTorch has a counterpart of. */
  async time(operation: string, one: Case, calls: readonly string[]): Promise<Map<string, Timing>> {
    this.#process.stdin!.write(`${JSON.stringify({ operation, calls, ...one })}\n`);
    const { value, done } = await this.#lines.next();
    if (done) {
      throw new SpinegradError(
        'ERR_PEER',
        `bench/peers/kernels.py ended at ${operation}, ${one.label}; --no-peer goes on without it`,
      );
    }
    const samples = JSON.parse(value) as Record<string, number[]>;
    return new Map(Object.entries(samples).map(([call, values]) => [call, summary(values)]));
  }

  [Symbol.dispose](): void {
    this.#process.stdin?.end();
  }
}
