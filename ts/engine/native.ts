/**
 * Loads the native addon: the one of NODE_BINDINGS_COMPILED_DIR, else a local build, else the prebuilt binary of this
 * platform. Types the functions of native/addon/addon.cpp, which only ts/engine calls.
 */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { SpinegradError } from '../error.js';
import { packageRoot } from '../packageRoot.js';

declare const handle: unique symbol;
export type DeviceHandle = { readonly [handle]: 'device' };
export type RecordingHandle = { readonly [handle]: 'captured step' };
export type TensorHandle = { readonly [handle]: 'tensor' };

export interface NativeProfile {
  /** Names of the operations, in order. */
  names: string[];
  /** Start and end of each operation, in milliseconds. */
  times: Float64Array;
  spans: string[];
  /** Index of the first operation of each span. */
  firsts: number[];
  skipped: number;
}

/** The contract of an operation; the words of an enumeration are joined by `, `. */
export interface NativeContract {
  readonly name: string;
  /** Types by name, in the order in which `enqueue()` takes the values. */
  readonly fields: Readonly<Record<string, string>>;
}

export interface Native {
  /** Calls `onHeld` once, when tensors that are neither released nor collected have more than `heldBound` bytes. */
  open(
    kind: string,
    threads: number,
    bf16: boolean,
    maxCachedBytes: number,
    heldBound?: number,
    onHeld?: (bytes: number, tensors: number) => void,
  ): DeviceHandle;
  close(device: DeviceHandle): void;
  shutdown(): void;
  describe(device: DeviceHandle): string;
  /** Architectures that this build has CUDA kernels for, and their compiler; empty without any. */
  cudaKernels(): string;
  properties(device: DeviceHandle): Record<string, number>;
  memory(device: DeviceHandle): [inUse: number, peak: number, cached: number, tensors: number];
  trim(device: DeviceHandle): void;
  contracts(device: DeviceHandle): NativeContract[];
  /** Creates a tensor; reuses the released handle `spare` if given. */
  tensor(
    device: DeviceHandle,
    spare: TensorHandle | undefined,
    dtype: number,
    ...shape: readonly number[]
  ): TensorHandle;
  release(tensor: TensorHandle): void;
  write(device: DeviceHandle, tensor: TensorHandle, values: ArrayBufferView): void;
  enqueue(
    device: DeviceHandle,
    operation: number,
    attributes: Float64Array | undefined,
    ...tensors: readonly (TensorHandle | undefined)[]
  ): void;
  /** `target` has the size of the tensor in bytes. Resolves to it. */
  read(device: DeviceHandle, tensor: TensorHandle, target: ArrayBuffer): Promise<ArrayBuffer>;
  beginCapture(device: DeviceHandle): void;
  endCapture(device: DeviceHandle): Promise<RecordingHandle>;
  replay(device: DeviceHandle, recording: RecordingHandle): void;
  releaseCapture(recording: RecordingHandle): void;
  readSync(device: DeviceHandle, tensor: TensorHandle, target: ArrayBuffer): ArrayBuffer;
  time(device: DeviceHandle, body: () => void): Promise<Float64Array>;
  startProfile(device: DeviceHandle, limit: number): void;
  beginSpan(device: DeviceHandle, name: string): void;
  stopProfile(device: DeviceHandle): Promise<NativeProfile>;
}

const root = packageRoot();
const isClone = existsSync(`${root}/scripts/setup.sh`);

/** Folders with an addon; `compiled` is that of NODE_BINDINGS_COMPILED_DIR. A package has only the last one. */
const FOLDERS = [
  ...(isClone ? [['compiled'], ['build', 'Release']] : []),
  ['prebuilds', `${process.platform}-${process.arch}`],
];

function loadFile(file: string): unknown {
  const bindings = createRequire(import.meta.url)('bindings') as (options: object) => unknown;
  const places = FOLDERS.map((folder) => ['module_root', ...folder, 'bindings']);
  return bindings({ bindings: file, module_root: root, try: places });
}

function load(): Native {
  try {
    loadFile('openmp.node');
    const native = loadFile('spinegrad.node') as Native;
    process.on('exit', () => native.shutdown());
    return native;
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message.replaceAll('\n', ' ') : String(cause);
    throw new SpinegradError(
      'ERR_ADDON',
      `The native addon did not load (${reason}). It needs Linux on x86-64 with glibc 2.34; ` +
        (isClone
          ? 'build it with: ./scripts/setup.sh'
          : 'install the package again with: npm install spinegrad'),
      { cause },
    );
  }
}

export const native = load();

/** Runs a native call and turns its coded error into a SpinegradError. */
export function rethrow<T>(call: () => T): T {
  try {
    return call();
  } catch (error) {
    throw fromNative(error);
  }
}

export function fromNative(error: unknown): unknown {
  if (error instanceof SpinegradError || !(error instanceof Error) || !('code' in error)) return error;
  return new SpinegradError(error.code as `ERR_${string}`, error.message, { cause: error });
}
