/**
 * The roofline (Williams et al. 2009): a call that moves so many bytes and does so many operations cannot take less
 * than either needs at the machine's peak.
 */
import type { Device } from '#spinegrad/engine/device.js';
import { planOf } from './calls.js';
import { type Case, OPERATIONS } from './cases.js';
import { normals } from './inputs.js';
import { cacheOf, Stopwatch, THOROUGH } from './measure.js';

export interface Peaks {
  /** Bytes a second. */
  bandwidth: number;
  /** Operations a second of a matrix product of float32, on tensor cores in TF32. */
  flops: number;
  origin: string;
}

/** By NVIDIA's datasheets: A100 80GB SXM and H100 SXM5; TF32 without sparsity. */
export const DATASHEETS = {
  A100: { bandwidth: 2.039e12, flops: 156e12, origin: 'datasheet of the A100 80GB SXM' },
  H100: { bandwidth: 3.35e12, flops: 494.7e12, origin: 'datasheet of the H100 SXM5' },
} as const satisfies Record<string, Peaks>;

/** Milliseconds. */
export const rooflineOf = (bytes: number, flops: number, peaks: Peaks): number =>
  1000 * Math.max(bytes / peaks.bandwidth, flops / peaks.flops);

/** Per multiprocessor and clock: TF32 with float32 sums, on compute capability 7.5 float16. GeForce does half of 8.6 on. */
const FLOPS_A_CLOCK: Readonly<Record<number, number>> = {
  75: 1024,
  80: 1024,
  86: 512,
  89: 512,
  90: 2048,
  100: 4096,
  120: 512,
};

export const peaksOf = (device: Device): Promise<Peaks> | Peaks =>
  device.name === 'cpu' ? measured(device) : attributed(device);

function attributed({ properties }: Device): Peaks {
  const { computeCapability, multiprocessors, clockHz, memoryClockHz, memoryBusBits } = properties as Record<
    string,
    number
  >;
  const perClock = FLOPS_A_CLOCK[computeCapability!] ?? Number.NaN;
  return {
    bandwidth: (2 * memoryClockHz! * memoryBusBits!) / 8,
    flops: perClock * multiprocessors! * clockHz!,
    origin:
      `attributes of the device: ${multiprocessors} multiprocessors x ${perClock} FLOP a clock x ` +
      `${clockHz! / 1e6} MHz, ${memoryBusBits} bits x 2 x ${memoryClockHz! / 1e6} MHz; what it reaches is less`,
  };
}

/** The bandwidth is that of `ema`, a triad in place: what is written was read, so the processor moves nothing more. */
async function measured(device: Device): Promise<Peaks> {
  using stopwatch = new Stopwatch(device, THOROUGH);
  const side = 2048;
  const length = cacheOf(device); // each array is four times the cache
  const fastest = async (operation: string, one: Omit<Case, 'label'>): Promise<number> => {
    const plan = planOf(device, operation, OPERATIONS[operation]!, { label: '', ...one });
    const [timing] = (await stopwatch.time(plan)).values();
    return timing!.fastest / 1000;
  };
  const product = await fastest('linear', {
    inputs: { x: normals(side, side), weight: normals(side, side) },
  });
  const triad = await fastest('ema', {
    inputs: { 'source.0': normals(length), 'target.0': normals(length) },
    options: { decay: 0.99 },
  });
  return {
    bandwidth: (12 * length) / triad,
    flops: (2 * side ** 3) / product,
    origin: `the best in this run of: ema of ${length} values, linear of ${side} x ${side} x ${side}`,
  };
}
