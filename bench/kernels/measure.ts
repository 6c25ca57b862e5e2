/**
 * Times calls with the clock of the device.
 *
 * A sample overwrites a buffer larger than the last-level cache, then times one call on each of several replicas and
 * divides by their number. The overwriting empties the caches and, on CUDA, keeps the device busy while the calls are
 * enqueued. After a warm-up, samples are taken until the time is over. The result is median and quartiles.
 */
import { type Device, FULL } from '#spinegrad/engine/device.js';
import type { Tensor } from '#spinegrad/engine/tensor.js';
import { summarize, type Timing } from '../lib/summary.js';
import { bytesOf, type Call, type RecordedCase, Replica } from './calls.js';

export interface Effort {
  warmUps: number;
  /** Time for samples; their number is from minSamples to maxSamples. */
  seconds: number;
  minSamples: number;
  maxSamples: number;
}

export const THOROUGH: Effort = { warmUps: 5, seconds: 0.6, minSamples: 11, maxSamples: 101 };
export const QUICK: Effort = { warmUps: 2, seconds: 0.1, minSamples: 3, maxSamples: 11 };
/** For dry runs. */
export const ONCE: Effort = { warmUps: 0, seconds: 0, minSamples: 1, maxSamples: 1 };

const MAX_REPLICAS = 8;
const MAX_REPLICATED_BYTES = 512 * 2 ** 20;

export class Stopwatch implements Disposable {
  readonly #buffer: Tensor;

  constructor(
    readonly device: Device,
    readonly effort: Effort,
  ) {
    // 256 MB: a GPU needs about 0.1 ms to overwrite them, longer than the host needs to enqueue the calls.
    const bytes = effort === ONCE ? 4 : Math.max(device.name === 'cpu' ? 0 : 2 ** 28, 2 * cacheOf(device));
    this.#buffer = device.empty([bytes / 4]);
  }

  /** Times the calls of a case that are to be timed. */
  async time(recorded: RecordedCase): Promise<Map<Call, Timing>> {
    const bytes = recorded.calls.reduce((total, call) => total + bytesOf(call), 0);
    const fitting = Math.min(MAX_REPLICAS, Math.floor(MAX_REPLICATED_BYTES / bytes));
    const replicas = Array.from(
      { length: this.effort === ONCE ? 1 : Math.max(1, fitting) },
      () => new Replica(this.device, recorded),
    );
    try {
      const timings = new Map<Call, Timing>();
      for (const call of recorded.timed) timings.set(call, await this.#timeCall(call, replicas));
      return timings;
    } finally {
      for (const replica of replicas) replica.dispose();
    }
  }

  async #timeCall(call: Call, replicas: readonly Replica[]): Promise<Timing> {
    const sample = async (): Promise<number> => {
      this.device.run(FULL, { y: this.#buffer, value: 0 });
      const milliseconds = await this.device.time(() => {
        for (const replica of replicas) replica.run(call);
      });
      return milliseconds / replicas.length;
    };
    const { warmUps, seconds, minSamples, maxSamples } = this.effort;
    for (let i = 0; i < warmUps; i++) await sample();
    const samples: number[] = [];
    const end = performance.now() + 1000 * seconds;
    while (samples.length < minSamples || (samples.length < maxSamples && performance.now() < end)) {
      samples.push(await sample());
    }
    await this.device.synchronize(); // an error is thrown here, for this call
    return summarize(samples);
  }

  [Symbol.dispose](): void {
    this.#buffer.dispose();
  }
}

/** Bytes of the last-level cache; 32 MiB if unknown. */
export const cacheOf = (device: Device): number => device.properties.cacheBytes || 32 * 2 ** 20;
