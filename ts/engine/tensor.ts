/**
 * A tensor: shape (logical NCHW for images), dtype and a handle to memory of one device. The backend chooses the layout
 * of that memory. Every tensor owns its bytes; there are no views.
 *
 * `dispose()`, `using` and the end of a `tidy()` scope free memory. `backward()` frees tensors that an operation saved
 * for its gradient. The garbage collector is the backstop.
 */
import { inspect } from 'node:util';
import { expectArguments, found } from '../arguments.js';
import { SpinegradError } from '../error.js';
import type { Contract, Fields, Values } from './contract.js';
import { ARRAYS, type DType, dtypeOf, type TypedArray, type TypedArrays } from './dtype.js';
import { type DeviceHandle, fromNative, native, rethrow, type TensorHandle } from './native.js';
import type { TensorValues } from './values.js';

export type Shape = readonly number[];

export const sizeOf = (shape: Shape): number => shape.reduce((product, size) => product * size, 1);

/** What tensors and operations need of a `Device`. */
export interface TensorDevice {
  /** `cpu` or `cuda:N`. */
  readonly name: string;
  /** A tensor with the given values; see `Device.tensor()`. */
  tensor(values: TensorValues, shape?: Shape): Tensor;
  /** float32; every value is 0. */
  zeros(shape: Shape): Tensor;
  /** float32; every value is `value`. */
  full(shape: Shape, value: number): Tensor;
  /** @internal A tensor that an operation writes next. */
  empty(shape: Shape, dtype?: DType, operation?: string): Tensor;
  /** @internal Enqueues a native operation. */
  run<F extends Fields>(operation: Contract<F>, values: Values<F>): void;
  /** @internal */
  readonly handle: DeviceHandle;
  /** @internal */
  acquire(dtype: DType, shape: Shape): TensorHandle;
  /** @internal */
  release(handle: TensorHandle): void;
}

/** How a tensor was computed: a node of the graph that `backward()` visits. See autograd.ts. */
export interface GradientNode {
  /** Increases with every recorded operation, so descending order is valid for `backward()`. */
  readonly order: number;
  readonly inputs: readonly Tensor[];
  /** Whether each input requires a gradient. */
  readonly needs: readonly boolean[];
  /** Tensors saved for the gradient; freed after it. */
  readonly saved: readonly Tensor[];
  /** Gradients of the inputs, in their order; undefined for inputs that require none. */
  readonly backward: (gradient: Tensor) => readonly (Tensor | undefined)[];
}

/** @internal The tensors of each `tidy()` that runs, the innermost last. */
export const scopes: Set<Tensor>[] = [];

/** Values of one dtype and shape on one device. Operations return new tensors; `grad` accumulates gradients. */
export class Tensor implements Disposable {
  /** Whether `backward()` adds the gradient with respect to this tensor to `grad`. */
  requiresGrad = false;
  /** @internal */
  node: GradientNode | undefined;
  /** @internal Whether `backward()` has visited and freed its node. */
  differentiated = false;
  readonly #shape: Shape;
  readonly #dtype: DType;
  readonly #device: TensorDevice;
  #handle: TensorHandle | undefined;
  #grad: Tensor | undefined;
  #kept = false;

  /** Use `device.tensor()`, `device.zeros()` and the operations, which check the shape. */
  constructor(device: TensorDevice, shape: Shape, dtype: DType) {
    if (typeof device?.acquire !== 'function') {
      throw new SpinegradError(
        'ERR_ARGUMENT',
        `Tensor(): device: expected a device of openDevice(), found ${found(device)}; use device.tensor()`,
      );
    }
    this.#device = device;
    this.#shape = shape;
    this.#dtype = dtype;
    this.#handle = device.acquire(dtype, shape);
    scopes.at(-1)?.add(this);
  }

  get shape(): Shape {
    return this.#shape;
  }

  get dtype(): DType {
    return this.#dtype;
  }

  get device(): TensorDevice {
    return this.#device;
  }

  get size(): number {
    return sizeOf(this.shape);
  }

  /** Sum of the gradients since the last `zeroGrad()`; owned by this tensor. */
  get grad(): Tensor | undefined {
    return this.#grad;
  }

  set grad(gradient: Tensor | undefined) {
    if (gradient !== undefined) {
      expectTensor('grad', 'value', gradient, { shape: this.#shape, device: this.#device });
    }
    this.#grad = gradient;
  }

  get disposed(): boolean {
    return this.#handle === undefined;
  }

  /** @internal */
  get kept(): boolean {
    return this.#kept;
  }

  /** @internal Throws `ERR_DISPOSED` after `dispose()`. */
  get handle(): TensorHandle {
    if (!this.#handle) {
      throw new SpinegradError(
        'ERR_DISPOSED',
        `A ${this.dtype} tensor of shape [${this.shape}] was used after it was disposed; call keep() on it to let it ` +
          `outlive tidy() and backward()`,
      );
    }
    return this.#handle;
  }

  /** Resolves to the values, row-major, when the queue has computed them. Rejects with the first error of the queue. */
  async data<D extends DType = 'float32'>(): Promise<TypedArrays[D]> {
    try {
      return this.#array(await native.read(this.device.handle, this.handle, this.#host()));
    } catch (error) {
      throw fromNative(error);
    }
  }

  /** As `data()`, but blocks the event loop until the values are computed. */
  dataSync<D extends DType = 'float32'>(): TypedArrays[D] {
    return this.#array(rethrow(() => native.readSync(this.device.handle, this.handle, this.#host())));
  }

  /** Memory for the values. */
  #host(): ArrayBuffer {
    const bytes = this.size * ARRAYS[this.dtype].BYTES_PER_ELEMENT;
    try {
      return new ArrayBuffer(bytes);
    } catch (cause) {
      const message = `The values of a ${this.dtype} tensor of shape [${this.shape}] need ${bytes} bytes, more than Node.js got`;
      throw new SpinegradError('ERR_OUT_OF_MEMORY', message, { cause });
    }
  }

  #array<D extends DType>(buffer: ArrayBuffer): TypedArrays[D] {
    return new ARRAYS[this.dtype](buffer) as TypedArrays[D];
  }

  /** The only value of a tensor of one element. */
  async item(): Promise<number> {
    if (this.size !== 1) {
      throw new SpinegradError('ERR_SHAPE', `item(): expected one element, found shape [${this.shape}]`);
    }
    return (await this.data<DType>())[0] as number;
  }

  /** Replaces the values, in queue order. */
  write(values: TypedArray): this {
    expectArguments('write', arguments.length, 1);
    const dtype = dtypeOf(values);
    if (dtype !== this.dtype) {
      throw new SpinegradError(
        'ERR_DTYPE',
        `write(): values: expected a ${ARRAYS[this.dtype].name}, found ${found(values)}`,
      );
    }
    if (values.length !== this.size) {
      throw new SpinegradError(
        'ERR_SHAPE',
        `write(): values: expected ${this.size} for shape [${this.shape}], found ${values.length}`,
      );
    }
    rethrow(() => native.write(this.device.handle, this.handle, values));
    return this;
  }

  /** Exempts the tensor from the enclosing `tidy()` and from `backward()`. The caller disposes it. */
  keep(): this {
    this.#kept = true;
    for (const scope of scopes) scope.delete(this);
    return this;
  }

  /** Frees the memory. Gradients still pass through this tensor, unless an operation needs its values: that throws. */
  dispose(): void {
    if (!this.#handle) return;
    this.#device.release(this.#handle);
    this.#handle = undefined;
    this.grad?.dispose();
    this.grad = undefined;
    for (const scope of scopes) scope.delete(this);
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  /** The text of `console.log()`: `Tensor(float32, [2, 3], cpu)`, without the values, which the queue may still compute. */
  [inspect.custom](): string {
    const state = this.disposed ? ', disposed' : '';
    return `Tensor(${this.dtype}, [${this.shape.join(', ')}], ${this.device.name}${state})`;
  }
}

export interface TensorExpectation {
  dtype?: DType;
  /** One entry per axis; null accepts any size. */
  shape?: readonly (number | null)[];
  /** The device that the tensor must be on. */
  device?: TensorDevice;
}

const show = (shape: readonly (number | null)[]): string =>
  `[${shape.map((size) => size ?? '*').join(', ')}]`;

/** Checks a tensor argument (float32 unless told otherwise) and returns its shape. */
export function expectTensor(
  operation: string,
  argument: string,
  value: Tensor,
  { dtype = 'float32', shape, device }: TensorExpectation = {},
): readonly number[] {
  const fail = (code: `ERR_${string}`, what: string, expected: string): never => {
    throw new SpinegradError(code, `${operation}(): ${argument}: expected ${expected}, found ${what}`);
  };
  if (!(value instanceof Tensor)) fail('ERR_ARGUMENT', found(value), 'a tensor');
  if (value.disposed) fail('ERR_DISPOSED', 'a disposed one', 'a live tensor');
  if (value.dtype !== dtype) fail('ERR_DTYPE', value.dtype, dtype);
  if (device && value.device !== device) {
    fail(
      'ERR_DEVICE',
      `one on ${value.device.name === device.name ? 'another ' : ''}${value.device.name}`,
      `a tensor on the same device as the first (${device.name})`,
    );
  }
  const fits =
    !shape ||
    (shape.length === value.shape.length &&
      shape.every((size, axis) => size === null || size === value.shape[axis]));
  if (!fits) fail('ERR_SHAPE', `shape ${show(value.shape)}`, `shape ${show(shape!)}`);
  return value.shape;
}
