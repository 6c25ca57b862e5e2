/** A device: an ordered queue, its memory, and the tensors made on it. */
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
import { DTYPES, type DType, dtypeOf, type Shape, Tensor, type TypedArray } from './tensor.js';

/** `cuda` is `cuda:0`, the first device that the driver counts. */
export type DeviceKind = 'cpu' | 'cuda' | `cuda:${number}` | 'auto';

export interface DeviceOptions {
  /** Threads of the CPU device; by default as many as OpenMP takes (OMP_NUM_THREADS, else the cores). */
  threads?: number;
  /**
   * Rounding of the factors of products in `conv2d` and `linear` on CUDA: `tf32` (default) keeps 11 significant bits, `bf16`
   * 8 and needs compute capability 8.0 or newer. Tensors, weights and sums are float32 in both. The CPU does not round.
   */
  precision?: 'tf32' | 'bf16';
}

export interface MemoryInfo {
  /** Bytes held by tensors and workspaces, as far as the queue has come. */
  bytesInUse: number;
  peakBytes: number;
  /** Bytes kept for reuse. */
  cachedBytes: number;
  /** Tensors neither disposed nor collected. */
  tensors: number;
}

/** @internal */
export const FULL = contract('full.forward', { y: 'output', value: 'real' });

/** A device as `openDevice()` gives it: makes tensors, runs what is called on them in order, reports memory. */
export class Device {
  /** @internal */
  readonly handle: DeviceHandle;
  readonly #native: ReadonlyMap<string, readonly [index: number, contract: NativeContract]>;
  /** By the id of the contract. */
  readonly #encoders: Encoder[] = [];
  /** Handles of disposed tensors: to give one the next tensor costs less than to make one. */
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
   * What the driver or the system tells of the hardware: `threads` on the CPU; `computeCapability` (90 for 9.0),
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

  /** @internal A tensor that an operation is about to write. */
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

  /** Resolves when everything enqueued so far has been computed; rejects with the first error. */
  async synchronize(): Promise<void> {
    using fence = this.full([1], 0);
    await fence.data();
  }

  /**
   * Records what `step` enqueues, without running it, to be replayed as a whole (CUDA graphs): one launch in place of
   * hundreds. CUDA devices only. A replay runs the same kernels on the same memory with the same numbers, hence:
   *
   * - Run the step once before, so that every tensor from before it has the memory layout that the step wants.
   * - `step` is synchronous, reads no values and disposes nothing from before it.
   * - Options are frozen: learning rate, dropout's seed and step, augment's step are those of the capture.
   * - Inputs change by `write()` into tensors that the step reads; an image of several channels goes through `copy()`.
   * - Tensors made in the step hold their values from the first replay on, and keep their memory until disposed.
   *
   * What breaks a rule rejects with `ERR_CAPTURE`, here or at the read after the replay.
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
   * Milliseconds that the device takes for what `body`, which must be synchronous, enqueues: between two events of
   * the CUDA stream, or on the clock of the CPU's queue. What was enqueued before is done when the time begins; where
   * nothing was, the time to enqueue counts too. Rejects with the first error of the queue.
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
   * Records which operations run when, from here to `stopProfile()`: the first `limit` of them, so that a long run
   * fills neither memory nor a viewer. What is captured is not run and so not recorded; a replay is one operation.
   */
  startProfile({ limit = 100_000 }: { limit?: number } = {}): void {
    expectNumber('startProfile', 'limit', limit, { min: 1, max: 10_000_000, integer: true });
    rethrow(() => native.startProfile(this.handle, limit));
  }

  /** In a profile, what is enqueued from here to the next call is a span of that name; without one, nothing. */
  beginSpan(name: string): void {
    rethrow(() => native.beginSpan(this.handle, `${name}`));
  }

  /** Resolves when everything enqueued so far has been computed; rejects with the first error of the queue. */
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

  /** Ends the queue; values not yet computed are lost, reads still pending reject. */
  close(): void {
    native.close(this.handle);
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** What `device.capture()` recorded. */
export class CapturedStep<T> implements Disposable {
  readonly #device: Device;
  readonly #handle: RecordingHandle;

  /** @internal */
  constructor(
    device: Device,
    handle: RecordingHandle,
    /** What the step returned. */
    readonly result: T,
  ) {
    this.#device = device;
    this.#handle = handle;
  }

  /** Runs the step again, in queue order. */
  replay(): void {
    rethrow(() => native.replay(this.#device.handle, this.#handle));
  }

  /** Gives the step's memory back, once the replays already enqueued have run. */
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

/** The architectures that this build has CUDA kernels for, and their compiler, for people; empty without any. */
export const cudaKernels = (): string => native.cudaKernels();
