/**
 * How long a call takes, on the device's own clock.
 *
 * A sample first overwrites a buffer larger than the last-level cache, so that the calls find nothing there and, on
 * CUDA, so that the device is busy while they are enqueued; then it times the same call on several replicas, one after
 * the other, and divides. Samples are taken, after some that only warm up, until their time is over; what counts is
 * their median, beside the quartiles.
 */
import type { Device } from '#spinegrad/engine/device.js';
import type { Tensor } from '#spinegrad/engine/tensor.js';
import { summary, type Timing } from '../lib/summary.js';
import { bytesOf, type Call, type Plan, Replica } from './calls.js';

export interface Effort {
  warmUps: number;
  /** Samples for so many seconds, but at least and at most so many. */
  seconds: number;
  least: number;
  most: number;
}

export const THOROUGH: Effort = { warmUps: 5, seconds: 0.6, least: 11, most: 101 };
export const QUICK: Effort = { warmUps: 2, seconds: 0.1, least: 3, most: 11 };
/** To see that it works; measures nothing. */
export const ONCE: Effort = { warmUps: 0, seconds: 0, least: 1, most: 1 };

const MOST_REPLICAS = 8;
const MOST_REPLICATED = 512 * 2 ** 20;

export class Stopwatch implements Disposable {
  readonly #buffer: Tensor;

  constructor(
    readonly device: Device,
    readonly effort: Effort,
  ) {
    // A GPU needs about 0.1 ms for this: longer than it takes to enqueue the calls.
    const bytes = effort === ONCE ? 4 : Math.max(device.name === 'cpu' ? 0 : 2 ** 28, 2 * cacheOf(device));
    this.#buffer = device.empty([bytes / 4]);
  }

  /** The timed calls of a plan. */
  async time(plan: Plan): Promise<Map<Call, Timing>> {
    const bytes = plan.calls.reduce((total, call) => total + bytesOf(call), 0);
    const fitting = Math.min(MOST_REPLICAS, Math.floor(MOST_REPLICATED / bytes));
    const replicas = Array.from(
      { length: this.effort === ONCE ? 1 : Math.max(1, fitting) },
      () => new Replica(this.device, plan),
    );
    try {
      const timings = new Map<Call, Timing>();
      for (const call of plan.timed) timings.set(call, await this.#call(call, replicas));
      return timings;
    } finally {
      for (const replica of replicas) replica.dispose();
    }
  }

  async #call(call: Call, replicas: readonly Replica[]): Promise<Timing> {
    const sample = async (): Promise<number> => {
      this.device.run('full.forward', [], [this.#buffer], [0]);
      const milliseconds = await this.device.time(() => {
        for (const replica of replicas) replica.run(call);
      });
      return milliseconds / replicas.length;
    };
    const { warmUps, seconds, least, most } = this.effort;
    for (let i = 0; i < warmUps; i++) await sample();
    const samples: number[] = [];
    const end = performance.now() + 1000 * seconds;
    while (samples.length < least || (samples.length < most && performance.now() < end)) {
      samples.push(await sample());
    }
    await this.device.synchronize(); // an error of the data shows here, where the call is known
    return summary(samples);
  }

  [Symbol.dispose](): void {
    this.#buffer.dispose();
  }
}

export const cacheOf = (device: Device): number => device.properties.cacheBytes || 32 * 2 ** 20;
