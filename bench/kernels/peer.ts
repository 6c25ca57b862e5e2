/** PyTorch at the same shapes: a Python process that times one case per request (bench/peers/kernels.py). */
import { resolve } from 'node:path';
import type { Device } from '#spinegrad/engine/device.js';
import { summarize, type Timing } from '../lib/summary.js';
import { WorkerProcess } from '../lib/workerProcess.js';
import type { Case } from './cases.js';
import { cacheOf, type Effort } from './measure.js';

const SCRIPT = resolve('bench/peers/kernels.py'); // npm runs scripts in the root folder

export class Peer implements Disposable {
  readonly #python: WorkerProcess;
  /** Versions, or the reason why there is no peer. */
  readonly description: string;
  readonly present: boolean;

  private constructor(python: WorkerProcess, hello: { torch: string } | { missing: string }) {
    this.#python = python;
    this.present = 'torch' in hello;
    this.description = 'torch' in hello ? hello.torch : `not available: ${hello.missing}`;
  }

  static async start(python: string, device: Device, effort: Effort): Promise<Peer> {
    const { properties } = device;
    const settings = {
      device: device.name,
      threads: properties.threads ?? 0,
      flushBytes: 2 * cacheOf(device),
      effort,
    };
    const worker = new WorkerProcess([python, SCRIPT, JSON.stringify(settings)]);
    return new Peer(worker, await worker.receive<{ torch: string }>());
  }

  /** Timings by native call. Calls without a counterpart in PyTorch are left out. */
  async time(operation: string, benchCase: Case, calls: readonly string[]): Promise<Map<string, Timing>> {
    const samples = await this.#python.request<Record<string, number[]>>({ operation, calls, ...benchCase });
    return new Map(Object.entries(samples).map(([call, values]) => [call, summarize(values)]));
  }

  [Symbol.dispose](): void {
    this.#python[Symbol.dispose]();
  }
}
