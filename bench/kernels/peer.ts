/** PyTorch on the same shapes: a Python process that times what it is sent, one case at a time (bench/peers/kernels.py). */
import { resolve } from 'node:path';
import type { Device } from '#spinegrad/engine/device.js';
import { Conversation } from '../lib/conversation.js';
import { summary, type Timing } from '../lib/summary.js';
import type { Case } from './cases.js';
import { cacheOf, type Effort } from './measure.js';

const SCRIPT = resolve('bench/peers/kernels.py'); // npm runs scripts in the folder of package.json

export class Peer implements Disposable {
  readonly #python: Conversation;
  /** Versions, or why there is no peer. */
  readonly description: string;
  readonly present: boolean;

  private constructor(python: Conversation, hello: { torch: string } | { missing: string }) {
    this.#python = python;
    this.present = 'torch' in hello;
    this.description = 'torch' in hello ? hello.torch : `not there: ${hello.missing}`;
  }

  static async start(python: string, device: Device, effort: Effort): Promise<Peer> {
    const { properties } = device;
    const settings = {
      device: device.name,
      threads: properties.threads ?? 0,
      flushBytes: 2 * cacheOf(device),
      effort,
    };
    const conversation = new Conversation([python, SCRIPT, JSON.stringify(settings)]);
    return new Peer(conversation, await conversation.next<{ torch: string }>());
  }

  /** Timings by native call, of those that PyTorch has a counterpart of. */
  async time(operation: string, one: Case, calls: readonly string[]): Promise<Map<string, Timing>> {
    const samples = await this.#python.ask<Record<string, number[]>>({ operation, calls, ...one });
    return new Map(Object.entries(samples).map(([call, values]) => [call, summary(values)]));
  }

  [Symbol.dispose](): void {
    this.#python[Symbol.dispose]();
  }
}
