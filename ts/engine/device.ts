/** A device: an ordered queue, memory, and factories of tensors. */
import { SpinegradError } from '../error.js';
import { expectNumber, expectShape, found } from './check.js';
import {
  type Contract,
  checkContract,
  contract,
  contracts,
  Encoder,
  type Fields,
  type Values,
} from './contract.js';
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
import {
  DTYPES,
  type DType,
  dtypeOf,
  type Shape,
  Tensor,
  type TensorDevice,
  type TypedArray,
} from './tensor.js';

/** `cuda` is `cuda:0`, the first device that the driver counts. */
export type DeviceKind = 'cpu' | 'cuda' | `cuda:${number}` | 'auto';

export interface DeviceOptions {
  /** Threads of the CPU device. Default: the number of OpenMP (OMP_NUM_THREADS, else the cores). */
  threads?: number;
  /**
   * Rounding of the factors of products in `conv2d` and `linear` on CUDA: `tf32` (default) keeps 11 significant bits, `bf16`
   * 8 and needs compute capability 8.0 or newer. Tensors, weights and sums are float32 in both. The CPU does not round.
   */
  precision?: 'tf32' | 'bf16';
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

/** A device of `openDevice()`: creates tensors, runs operations in order, reports memory. */
export class Device implements TensorDevice {
  /** @internal */
  readonly handle: DeviceHandle;
  readonly #native: ReadonlyMap<string, readonly [index: number, contract: NativeContract]>;
  /** By the id of the contract. */
  readonly #encoders: Encoder[] = [];
  /** Handles of disposed tensors. Reusing one costs less than creating one. */
  readonly #spares: TensorHandle[] = [];

  /** @internal Use `openDevice()`. */
  constructor(
    /** `cpu` or `cuda:N`. */
    readonly name: string,
    /** Why this device was chosen. */
    readonly reason: string,
    options: DeviceOptions,
  ) {
    this.handle = rethrow(() => native.open(name, options?.threads ?? 0, options?.precision === 'bf16'));
    const found = native.contracts(this.handle);
    this.#native = new Map(found.map((one, index) => [one.name, [index, one]]));
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
   * Properties of the hardware: `threads` on the CPU; `computeCapability` (90 for 9.0),
   * `multiprocessors`, `clockHz`, `memoryClockHz`, `memoryBusBits` on CUDA; `cacheBytes` of the last level on both.
   */
  get properties(): Readonly<Record<string, number>> {
    return rethrow(() => native.properties(this.handle));
  }

  /** A tensor with the given values; its dtype is the array's. A plain array of numbers makes float32. */
  tensor(values: TypedArray | readonly number[], shape?: Shape): Tensor {
    const numbers = Array.isArray(values) && values.findIndex((value) => typeof value !== 'number') < 0;
    const array = numbers ? Float32Array.from(values) : (values as TypedArray);
    const dtype = dtypeOf(array);
    if (!dtype) {
      throw new SpinegradError(
        'ERR_DTYPE',
        `tensor(): values: expected a flat array of numbers, Float32Array, Int32Array, Uint16Array or Uint8Array, ` +
          `found ${found(values)}`,
      );
    }
    const tensor = this.empty(shape ?? [array.length], dtype, 'tensor');
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
    return this.full(shape, 0);
  }

  /** float32; every value is `value`, which may be infinite or NaN. */
  full(shape: Shape, value: number): Tensor {
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
    return new CapturedStep(this, await end(), result);
  }

  /**
   * Milliseconds that the device needs for the calls that `body`, a synchronous function, enqueues: between two events
   * of the CUDA stream, or by the clock of the CPU queue. The interval starts when earlier calls have run. If the queue
   * was empty, it includes the time to enqueue. Rejects with the first error of the queue.
   */
  async time(body: () => void): Promise<number> {
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
  startProfile({ limit = 100_000 }: { limit?: number } = {}): void {
    expectNumber('startProfile', 'limit', limit, { min: 1, max: 10_000_000, integer: true });
    rethrow(() => native.startProfile(this.handle, limit));
  }

  /** Starts a span of the profile, which ends at the next call. Has no effect without a profile. */
  beginSpan(name: string): void {
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

  /** Ends the queue. Values that are not computed yet are lost; pending reads reject. */
  close(): void {
    native.close(this.handle);
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** A step recorded by `device.capture()`. */
export class CapturedStep<T> implements Disposable {
  readonly #device: Device;
  readonly #handle: RecordingHandle;

  /** @internal */
  constructor(
    device: Device,
    handle: RecordingHandle,
    /** The return value of the step. */
    readonly result: T,
  ) {
    this.#device = device;
    this.#handle = handle;
  }

  /** Runs the step again, in queue order. */
  replay(): void {
    rethrow(() => native.replay(this.#device.handle, this.#handle));
  }

  /** Frees the memory of the step after the replays that are already enqueued. */
  dispose(): void {
    native.releaseCapture(this.#handle);
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

/**
 * Opens a device. `cuda` is an error (`ERR_DEVICE_UNAVAILABLE`) when no GPU can be used; there is no fallback. `auto` is
 * the CPU, because the CUDA backend has not been verified on a GPU; the device's `reason` states this.
 *
 * @example
 * using device = await openDevice('cpu', { threads: 4 });
 */
export async function openDevice(kind: DeviceKind = 'auto', options: DeviceOptions = {}): Promise<Device> {
  const { threads, precision = 'tf32' } = options ?? {};
  if (threads !== undefined) {
    expectNumber('openDevice', 'threads', threads, { min: 1, max: 1024, integer: true });
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
    return new Device('cpu', kind === 'cpu' ? 'requested' : AUTO_REASON, options);
  }
  const cuda = typeof kind === 'string' ? /^cuda(?::(\d{1,3}))?$/.exec(kind) : null;
  if (!cuda) {
    throw new SpinegradError(
      'ERR_ARGUMENT',
      `openDevice(): expected 'cpu', 'cuda', 'cuda:N' or 'auto', found ${found(kind)}`,
    );
  }
  return new Device(`cuda:${Number(cuda[1] ?? 0)}`, 'requested', options);
}

const AUTO_REASON = "auto uses the CPU; CUDA has not been verified on a GPU and must be requested as 'cuda'";

/** Architectures and compiler of the CUDA kernels in this build, for people; empty if there are none. */
export const cudaKernels = (): string => native.cudaKernels();
