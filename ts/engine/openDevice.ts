/** Chooses and opens a device. */

import { expectArguments, found, optionsOf } from '../arguments.js';
import { SpinegradError } from '../error.js';
import { expectNumber } from './check.js';
import { Device, type DeviceOptions } from './device.js';
import { native } from './native.js';

/** `cuda` is `cuda:0`, the first device that the driver counts. */
export type DeviceKind = 'cpu' | 'cuda' | `cuda:${number}` | 'auto';

const DEFAULTS = { threads: undefined, precision: 'tf32', maxCachedBytes: undefined };

/**
 * Opens a device. `cuda` is an error (`ERR_DEVICE_UNAVAILABLE`) when no GPU can be used; there is no fallback. `auto` is
 * the CPU, because the CUDA backend has not been verified on a GPU; the device's `reason` states this.
 *
 * @example
 * using device = await openDevice('cpu', { threads: 4 });
 */
export async function openDevice(kind: DeviceKind = 'auto', options: DeviceOptions = {}): Promise<Device> {
  expectArguments('openDevice', arguments.length, 2);
  const checked = optionsOf('openDevice', options, DEFAULTS);
  const { threads, precision, maxCachedBytes } = checked;
  if (threads !== undefined) {
    expectNumber('openDevice', 'threads', threads, { min: 1, max: 1024, integer: true });
  }
  if (maxCachedBytes !== undefined) {
    expectNumber('openDevice', 'maxCachedBytes', maxCachedBytes, { min: 0, max: 2 ** 53 - 1, integer: true });
  }
  if (precision !== 'tf32' && precision !== 'bf16') {
    throw new SpinegradError(
      'ERR_ARGUMENT',
      `openDevice(): precision must be 'tf32' or 'bf16', found ${found(precision)}`,
    );
  }
  if (kind === 'cpu' || kind === 'auto') {
    if (precision === 'bf16') {
      throw new SpinegradError(
        'ERR_DEVICE_UNAVAILABLE',
        `precision bf16 needs a CUDA device, and ${kind === 'cpu' ? 'the device' : "'auto'"} is the CPU; ` +
          "use device 'cuda' or precision tf32",
      );
    }
    return new Device('cpu', kind === 'cpu' ? 'requested' : AUTO_REASON, checked);
  }
  const cuda = typeof kind === 'string' ? /^cuda(?::(\d{1,3}))?$/.exec(kind) : null;
  if (!cuda) {
    throw new SpinegradError(
      'ERR_ARGUMENT',
      `openDevice(): expected 'cpu', 'cuda', 'cuda:N' or 'auto', found ${found(kind)}`,
    );
  }
  return new Device(`cuda:${Number(cuda[1] ?? 0)}`, 'requested', checked);
}

const AUTO_REASON = "auto uses the CPU; CUDA has not been verified on a GPU and must be requested as 'cuda'";

/** Architectures and compiler of the CUDA kernels in this build, for people; empty if there are none. */
export const cudaKernels = (): string => native.cudaKernels();
