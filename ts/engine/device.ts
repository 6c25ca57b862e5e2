/** A device: an ordered queue, its memory, and the tensors made on it. */
import { SpinegradError } from '../error.js';
import { expectShape, found } from './check.js';
import { type DeviceHandle, native, rethrow, type TensorHandle } from './native.js';
import { type DType, dtypeOf, type Shape, Tensor, type TypedArray } from './tensor.js';

export type DeviceKind = 'cpu' | 'cuda' | 'auto';

export interface DeviceOptions {
  /** Threads of the CPU device; by default as many as OpenMP takes (OMP_NUM_THREADS, else the cores). */
  threads?: number;
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

export class Device {
  /** @internal */
  readonly handle: DeviceHandle;
  /** @internal Kept by the tensors. */
  tensorsAlive = 0;
  readonly #operations = new Map<string, number>();

  /** @internal Use `openDevice()`. */
  constructor(
    /** `cpu` or `cuda:N`. */
    readonly name: string,
    /** Why this device was chosen, for people. */
    readonly reason: string,
    options: DeviceOptions,
  ) {
    this.handle = rethrow(() => native.open(name, options?.threads ?? 0));
  }

  /** Processor, threads and libraries in one line. */
  get description(): string {
    return rethrow(() => native.describe(this.handle));
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
    this.run('full.forward', [], [tensor], [value]);
    return tensor;
  }

  /** @internal A tensor that an operation is about to write. */
  empty(shape: Shape, dtype: DType = 'float32', operation = 'empty'): Tensor {
    return new Tensor(this, expectShape(operation, shape), dtype);
  }

  /** @internal Enqueues a native operation. */
  run(
    operation: string,
    inputs: readonly (Tensor | undefined)[],
    outputs: readonly (Tensor | undefined)[],
    attributes: readonly number[] = [],
  ): void {
    let index = this.#operations.get(operation);
    if (index === undefined) {
      index = rethrow(() => native.operation(this.handle, operation));
      this.#operations.set(operation, index);
    }
    const known = index;
    const handles = (tensors: readonly (Tensor | undefined)[]): (TensorHandle | undefined)[] =>
      tensors.map((tensor) => tensor?.handle);
    rethrow(() => native.enqueue(this.handle, known, handles(inputs), handles(outputs), attributes));
  }

  /** Resolves when everything enqueued so far has been computed; rejects with the first error. */
  async synchronize(): Promise<void> {
    using fence = this.full([1], 0);
    await fence.data();
  }

  memory(): MemoryInfo {
    const [bytesInUse, peakBytes, cachedBytes] = rethrow(() => native.memory(this.handle));
    return { bytesInUse, peakBytes, cachedBytes, tensors: this.tensorsAlive };
  }

  /** Ends the queue; values not yet computed are lost, reads still pending reject. */
  close(): void {
    native.close(this.handle);
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/**
 * Opens a device. `auto` takes CUDA where a driver, a device and matching kernels are there, else the CPU, and says
 * which and why in `reason`; `cuda` where there is none is an error (`ERR_DEVICE_UNAVAILABLE`), never a silent
 * fallback.
 */
export async function openDevice(kind: DeviceKind = 'auto', options: DeviceOptions = {}): Promise<Device> {
  const { threads } = options ?? {};
  if (threads !== undefined && !(Number.isInteger(threads) && threads > 0 && threads <= 1024)) {
    throw new SpinegradError(
      'ERR_ARGUMENT',
      `openDevice(): threads must be an integer from 1 to 1024, found ${threads}`,
    );
  }
  switch (kind) {
    case 'cpu':
      return new Device('cpu', 'asked for', options);
    case 'auto':
      return new Device('cpu', 'this build has no CUDA backend', options);
    case 'cuda':
      throw new SpinegradError(
        'ERR_DEVICE_UNAVAILABLE',
        `openDevice('cuda'): this build of spinegrad has no CUDA backend; use 'cpu' or 'auto'`,
      );
    default:
      throw new SpinegradError(
        'ERR_ARGUMENT',
        `openDevice(): expected 'cpu', 'cuda' or 'auto', found ${JSON.stringify(kind)}`,
      );
  }
}
