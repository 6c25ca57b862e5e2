/**
 * The roofline (Williams et al. 2009): the minimum time of a call from its bytes and FLOP, at the peak bandwidth and the
 * peak arithmetic rate of the machine.
 */
import type { Device } from '#spinegrad/engine/device.js';
import { recordCase } from './calls.js';
import { type Case, OPERATIONS } from './cases.js';
import { normals } from './inputs.js';
import { cacheOf, Stopwatch, THOROUGH } from './measure.js';

export interface Peaks {
  /** Bytes per second. */
  bandwidth: number;
  /** FLOP per second of a float32 matrix product (on tensor cores: TF32). */
  flops: number;
  source: string;
}

/** NVIDIA's datasheets of A100 80GB SXM and H100 SXM5. TF32 without sparsity. */
export const DATASHEETS = {
  A100: { bandwidth: 2.039e12, flops: 156e12, source: 'datasheet of the A100 80GB SXM' },
  H100: { bandwidth: 3.35e12, flops: 494.7e12, source: 'datasheet of the H100 SXM5' },
} as const satisfies Record<string, Peaks>;

/** Milliseconds. */
export const rooflineOf = (bytes: number, flops: number, peaks: Peaks): number =>
  1000 * Math.max(bytes / peaks.bandwidth, flops / peaks.flops);

/**
 * FLOP per multiprocessor and clock by compute capability: TF32 with float32 sums, on 7.5 float16. GeForce GPUs from 8.6
 * on reach half of it.
 */
const FLOP_PER_CLOCK: Readonly<Record<number, number>> = {
  75: 1024,
  80: 1024,
  86: 512,
  89: 512,
  90: 2048,
  100: 4096,
  120: 512,
};

export const peaksOf = (device: Device): Promise<Peaks> | Peaks =>
  device.name === 'cpu' ? measuredPeaks(device) : computedPeaks(device);

/**
 * Peaks from the clocks and widths that the driver reports. No kernel reaches them. A peak is NaN if the driver reports 0, as it
 * does for the memory clock of a part of a GPU (MIG, vGPU).
 */
function computedPeaks({ properties }: Device): Peaks {
  const { computeCapability, multiprocessors, clockHz, memoryClockHz, memoryBusBits } = properties as Record<
    string,
    number
  >;
  const perClock = FLOP_PER_CLOCK[computeCapability!] ?? Number.NaN;
  return {
    bandwidth: (2 * memoryClockHz! * memoryBusBits!) / 8 || Number.NaN,
    flops: perClock * multiprocessors! * clockHz! || Number.NaN,
    source:
      `computed from device attributes: ${multiprocessors} multiprocessors x ${perClock} FLOP per clock x ` +
      `${clockHz! / 1e6} MHz, ${memoryBusBits} bits x 2 x ${memoryClockHz! / 1e6} MHz; kernels reach less`,
  };
}

/**
 * Peaks of the processor: a large `linear`, and `ema`, an in-place triad. It writes only what it has read, so the
 * processor moves no additional bytes.
 */
async function measuredPeaks(device: Device): Promise<Peaks> {
  using stopwatch = new Stopwatch(device, THOROUGH);
  const side = 2048;
  const length = cacheOf(device); // floats: each array has four times the size of the cache
  const fastest = async (operation: string, benchCase: Omit<Case, 'label'>): Promise<number> => {
    const recorded = recordCase(device, operation, OPERATIONS[operation]!, { label: '', ...benchCase });
    const [timing] = (await stopwatch.time(recorded)).values();
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
    source: `fastest in this run of ema of ${length} values, linear of ${side} x ${side} x ${side}`,
  };
}
