/** A device: an ordered queue, memory, and factories of tensors. */

import { expectArguments, found, optionsOf } from '../arguments.js';
import { SpinegradError } from '../error.js';
import { CapturedStep } from './capturedStep.js';
import { expectNumber, expectShape } from './check.js';
import {
  type Contract,
  checkContract,
  contract,
  contracts,
  Encoder,
  type Fields,
  type Values,
} from './contract.js';
import { DTYPES, type DType, dtypeOf } from './dtype.js';
import { hostMemory } from './hostMemory.js';
import {
  type DeviceHandle,
  fromNative,
  type NativeContract,
  native,
  type RecordingHandle,
  rethrow,
  type TensorHandle,
} from './native.js';
import { type Profile, profileOf } from './profile.js';
import { type Shape, Tensor, type TensorDevice } from './tensor.js';
import { flatten, type TensorValues } from './values.js';

export interface DeviceOptions {
  /** Threads of the CPU device. Default: the number of OpenMP (OMP_NUM_THREADS, else the cores). */
  threads?: number;
  /**
   * Rounding of the factors of products in `conv2d` and `linear` on CUDA: `tf32` (default) keeps 11 significant bits, `bf16`
   * 8 and needs compute capability 8.0 or newer. Tensors, weights and sums are float32 in both. The CPU does not round.
   */
  precision?: 'tf32' | 'bf16';
  /**
   * Bytes of disposed tensors that the CPU device keeps for reuse at most; it frees the oldest first. Default: an eighth of
   * the memory of the machine or the container. 0 keeps nothing.
   */
  maxCachedBytes?: number;
}

export interface MemoryInfo {
  /** Bytes of tensors and workspaces at the current position of the queue. */
  bytesInUse: number;
  peakBytes: number;
  /** Bytes kept for reuse. */
  cachedBytes: number;
  /** Tensors neither disposed nor collected. */
  tensors: number;
}

/** @internal */
export const FULL = contract('full.forward', { y: 'output', value: 'real' });

/** Emits a warning at once, because a loop that never yields would not reach `process.emitWarning()`'s next tick. */
function warnOfHeldTensors(bytes: number, tensors: number): void {
  const warning = new Error(
    `${tensors} tensors with ${(bytes / 1e9).toFixed(1)} GB are not disposed. A synchronous loop frees nothing that it does not ` +
      'dispose: wrap its body in tidy(), declare its tensors with `using`, or call dispose()',
  );
  process.emit(
    'warning',
    Object.assign(warning, { name: 'SpinegradWarning', code: 'SPINEGRAD_HELD_TENSORS' }),
  );
}

/** A device of `openDevice()`: creates tensors, runs operations in order, reports memory. */
export class Device implements TensorDevice {
  /** @internal */
  readonly handle: DeviceHandle;
  readonly #native: ReadonlyMap<string, readonly [index: number, contract: NativeContract]>;
  /** By the id of the contract. */
  readonly #encoders: Encoder[] = [];
  /** Handles of disposed tensors. Reusing one costs less than creating one. */
  readonly #spares: TensorHandle[] = [];

  /** Use `openDevice()`. */
  constructor(
    /** `cpu` or `cuda:N`. */
    readonly name: string,
    /** Why this device was chosen. */
    readonly reason: string,
    { threads = 0, precision, maxCachedBytes = hostMemory() / 8 }: DeviceOptions = {},
  ) {
    if (typeof name !== 'string') {
      throw new SpinegradError(
        'ERR_ARGUMENT',
        `Device(): name: expected a string, found ${found(name)}; use openDevice()`,
      );
    }
    const bound = name === 'cpu' ? hostMemory() / 4 : Infinity; // a GPU has its own memory, and reports when it is full
    this.handle = rethrow(() =>
      native.open(name, threads, precision === 'bf16', maxCachedBytes, bound, warnOfHeldTensors),
    );
    const known = native.contracts(this.handle);
    this.#native = new Map(known.map((one, index) => [one.name, [index, one]]));
    try {
      for (const one of contracts()) checkContract(one, this.#native.get(one.name)?.[1]);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** Processor, threads and libraries in one line. */
  get description(): string {
    return rethrow(() => native.describe(this.handle));
  }

  /**
   * Properties of the hardware: `threads` and `maxCachedBytes` on the CPU; `computeCapability` (90 for 9.0),
   * `multiprocessors`, `clockHz`, `memoryClockHz`, `memoryBusBits` on CUDA; `cacheBytes` of the last level on both.
   */
  get properties(): Readonly<Record<string, number>> {
    return rethrow(() => native.properties(this.handle));
  }

  /**
   * A tensor with the given values. Arrays of numbers, also nested, make float32; their nesting is the default shape. A typed
   * array has its own dtype: an Int8Array or Int16Array makes int32, a Uint8ClampedArray uint8, a Float64Array float32,
   * rounded. Uint32Array and arrays of BigInt are refused.
   */
  tensor(values: TensorValues, shape?: Shape): Tensor {
    expectArguments('tensor', arguments.length, 2);
    const { array, shape: nesting } = flatten(values);
    const tensor = this.empty(shape ?? nesting, dtypeOf(array), 'tensor');
    if (tensor.size !== array.length) {
      tensor.dispose();
      throw new SpinegradError(
        'ERR_SHAPE',
        `tensor(): values: expected ${tensor.size} for shape [${tensor.shape}], found ${array.length}`,
      );
    }
    return tensor.write(array);
  }

  zeros(shape: Shape): Tensor {
    expectArguments('zeros', arguments.length, 1);
    return this.full(shape, 0);
  }

  /** float32; every value is `value`, which may be infinite or NaN. */
  full(shape: Shape, value: number): Tensor {
    expectArguments('full', arguments.length, 2);
    if (typeof value !== 'number') {
      throw new SpinegradError('ERR_ARGUMENT', `full(): value: expected a number, found ${found(value)}`);
    }
    const tensor = this.empty(shape, 'float32', 'full');
    this.run(FULL, { y: tensor, value });
    return tensor;
  }

  /** @internal A tensor that an operation writes next. */
  empty(shape: Shape, dtype: DType = 'float32', operation = 'empty'): Tensor {
    return new Tensor(this, expectShape(operation, shape), dtype);
  }

  /** @internal */
  acquire(dtype: DType, shape: Shape): TensorHandle {
    return rethrow(() => native.tensor(this.handle, this.#spares.pop(), DTYPES.indexOf(dtype), ...shape));
  }

  /** @internal */
  release(handle: TensorHandle): void {
    native.release(handle);
    this.#spares.push(handle);
  }

  /** @internal Enqueues a native operation. */
  run<F extends Fields>(operation: Contract<F>, values: Values<F>): void {
    const encoder = this.#encoders[operation.id] ?? this.#bind(operation);
    const handles = encoder.tensors(values);
    try {
      native.enqueue(this.handle, encoder.operation, encoder.attributes(values), ...handles);
    } catch (error) {
      throw fromNative(error);
    }
  }

  #bind(operation: Contract): Encoder {
    const [index, found] = this.#native.get(operation.name) ?? [0, undefined];
    checkContract(operation, found); // again, because a contract may be defined after the device was opened
    const encoder = new Encoder(operation, Object.keys(found!.fields), index);
    this.#encoders[operation.id] = encoder;
    return encoder;
  }

  /** Resolves when all enqueued calls have run. Rejects with the first error. */
  async synchronize(): Promise<void> {
    using fence = this.full([1], 0);
    await fence.data();
  }

  /**
   * Records the calls of `step`, without running them, as a CUDA graph, which one launch replays. CUDA devices only. A
   * replay runs the same kernels on the same memory with the same numbers, which has these consequences:
   *
   * - Run the step once before the capture, so that existing tensors have the memory layouts that the step uses.
   * - `step` is synchronous, reads no values and disposes no tensor that existed before it.
   * - Options keep their values: learning rate, seed and step of dropout, step of augment.
   * - Change inputs with `write()` into tensors that the step reads. Pass images of several channels through `copy()`.
   * - Tensors created in the step have values after the first replay, and keep their memory until they are disposed.
   *
   * A violation rejects with `ERR_CAPTURE`, here or at the read after the replay.
   */
  async capture<T>(step: () => T): Promise<CapturedStep<T>> {
    expectArguments('capture', arguments.length, 1);
    rethrow(() => native.beginCapture(this.handle));
    const end = async (): Promise<RecordingHandle> => {
      try {
        return await native.endCapture(this.handle);
      } catch (error) {
        throw fromNative(error);
      }
    };
    let result: T;
    try {
      result = step();
      if (result instanceof Promise) {
        throw new SpinegradError('ERR_CAPTURE', 'capture(): expected a synchronous step, found a promise');
      }
    } catch (error) {
      await end().then(native.releaseCapture, () => {});
      throw error;
    }
    return new CapturedStep(this.handle, await end(), result);
  }

  /**
   * Milliseconds that the device needs for the calls that `body`, a synchronous function, enqueues: between two events
   * of the CUDA stream, or by the clock of the CPU queue. The interval starts when earlier calls have run. If the queue
   * was empty, it includes the time to enqueue. Rejects with the first error of the queue.
   */
  async time(body: () => void): Promise<number> {
    expectArguments('time', arguments.length, 1);
    let result: unknown;
    const milliseconds = rethrow(() =>
      native.time(this.handle, () => {
        result = body();
      }),
    );
    if (result instanceof Promise) {
      milliseconds.catch(() => undefined);
      throw new SpinegradError(
        'ERR_ASYNC_TIME',
        'time(): the body returned a promise; await outside of time()',
      );
    }
    try {
      return (await milliseconds)[0]!;
    } catch (error) {
      throw fromNative(error);
    }
  }

  /**
   * Records the time of each operation until `stopProfile()`, for the first `limit` operations. Captured operations do
   * not run and are not recorded; a replay is one operation.
   */
  startProfile(options?: { limit?: number }): void {
    expectArguments('startProfile', arguments.length, 1);
    const { limit } = optionsOf('startProfile', options, { limit: 100_000 });
    expectNumber('startProfile', 'limit', limit, { min: 1, max: 10_000_000, integer: true });
    rethrow(() => native.startProfile(this.handle, limit));
  }

  /** Starts a span of the profile, which ends at the next call. Has no effect without a profile. */
  beginSpan(name: string): void {
    expectArguments('beginSpan', arguments.length, 1);
    rethrow(() => native.beginSpan(this.handle, `${name}`));
  }

  /** Resolves when all enqueued calls have run. Rejects with the first error of the queue. */
  async stopProfile(): Promise<Profile> {
    const recorded = rethrow(() => native.stopProfile(this.handle));
    try {
      return profileOf(await recorded);
    } catch (error) {
      throw fromNative(error);
    }
  }

  memory(): MemoryInfo {
    const [bytesInUse, peakBytes, cachedBytes, tensors] = rethrow(() => native.memory(this.handle));
    return { bytesInUse, peakBytes, cachedBytes, tensors };
  }

  /**
   * Frees the memory that is kept for reuse, when all calls enqueued before have run. An allocation that fails does this
   * for all CPU devices of the process, and tries again.
   */
  trim(): void {
    expectArguments('trim', arguments.length, 0);
    rethrow(() => native.trim(this.handle));
  }

  /** Ends the queue. Values that are not computed yet are lost; pending reads reject. */
  close(): void {
    native.close(this.handle);
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
