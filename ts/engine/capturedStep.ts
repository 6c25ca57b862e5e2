import { SpinegradError } from '../error.js';
import { type DeviceHandle, native, type RecordingHandle, rethrow } from './native.js';

/** A step recorded by `device.capture()`. */
export class CapturedStep<T> implements Disposable {
  readonly #device: DeviceHandle;
  readonly #handle: RecordingHandle;

  /** Use `device.capture()`. */
  constructor(
    device: DeviceHandle,
    handle: RecordingHandle,
    /** The return value of the step. */
    readonly result: T,
  ) {
    if (handle === undefined) {
      throw new SpinegradError(
        'ERR_ARGUMENT',
        'CapturedStep(): handle: expected a captured step, found undefined; use device.capture()',
      );
    }
    this.#device = device;
    this.#handle = handle;
  }

  /** Runs the step again, in queue order. */
  replay(): void {
    rethrow(() => native.replay(this.#device, this.#handle));
  }

  /** Frees the memory of the step after the replays that are already enqueued. */
  dispose(): void {
    native.releaseCapture(this.#handle);
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}
