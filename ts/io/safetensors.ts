/**
 * The safetensors format (https://github.com/huggingface/safetensors#format): an 8-byte little-endian header length, a
 * JSON header with names, types, shapes and byte ranges, and the raw little-endian data. F32, I32, U16 and U8 are
 * written and read; I64 (PyTorch's `num_batches_tracked`) is only read, as numbers. Reading enforces the rules of the
 * format: byte ranges lie inside the file, match shape and type, do not overlap and leave no gaps.
 */

import { open } from 'node:fs/promises';
import { expectArguments, found } from '../arguments.js';
import { SpinegradError } from '../error.js';
import { writeFileAtomic } from './atomic.js';
import { expectFile, readError } from './files.js';
import { parseJson } from './json.js';

export type TensorData = Float32Array | Int32Array | Uint16Array | Uint8Array;

export type StoredTensor =
  | { dtype: 'F32'; shape: number[]; data: Float32Array }
  | { dtype: 'I32'; shape: number[]; data: Int32Array }
  | { dtype: 'U16'; shape: number[]; data: Uint16Array }
  | { dtype: 'U8'; shape: number[]; data: Uint8Array }
  | { dtype: 'I64'; shape: number[]; data: Float64Array };

export interface SafetensorsFile {
  tensors: Map<string, StoredTensor>;
  metadata: Record<string, string>;
}

/** Limit of the reference implementation, in bytes. */
const MAX_HEADER = 100_000_000;

const BYTES: Record<StoredTensor['dtype'], number> = { F32: 4, I32: 4, U16: 2, U8: 1, I64: 8 };

function expectPath(name: string, path: string): void {
  if (typeof path === 'string' && path !== '') return;
  throw new SpinegradError(
    'ERR_ARGUMENT',
    `${name}(): path: expected the path of a file, found ${found(path)}`,
  );
}

/**
 * Reads the tensors of a file, by name, in file order. Their data are views of one buffer if they are aligned.
 *
 * @example
 * const tensors = await readSafetensors('weights.safetensors');
 * const { shape, data } = tensors.get('conv1.weight')!;
 *
 * @throws SpinegradError ERR_FILE_NOT_FOUND, ERR_FILE_READ, ERR_SAFETENSORS_TRUNCATED, ERR_SAFETENSORS_HEADER,
 *   ERR_SAFETENSORS_OFFSETS, ERR_SAFETENSORS_OVERLAP, ERR_SAFETENSORS_DTYPE, ERR_SAFETENSORS_RANGE
 */
export async function readSafetensors(path: string): Promise<Map<string, StoredTensor>> {
  expectArguments('readSafetensors', arguments.length, 1);
  expectPath('readSafetensors', path);
  return (await readSafetensorsFile(path)).tensors;
}

/** Reads the tensors of a file and the `__metadata__` of its header; see `readSafetensors`. */
export async function readSafetensorsFile(path: string): Promise<SafetensorsFile> {
  const { header, body } = await readParts(path);
  const { __metadata__: metadata = {}, ...entries } = header as Record<string, unknown>;
  const tensors = new Map<string, StoredTensor>();
  let end = 0;
  const checked = Object.entries(entries).map(([name, entry]) =>
    checkEntry(path, name, entry, body.byteLength),
  );
  for (const { name, dtype, shape, from, to } of checked.sort((a, b) => a.from - b.from || a.to - b.to)) {
    if (from !== end) {
      fail(
        'OVERLAP',
        path,
        `tensor '${name}' begins at byte ${from}`,
        `byte ${end}, the end of the previous tensor`,
      );
    }
    end = to;
    tensors.set(name, { dtype, shape, data: view(path, name, dtype, body, from, to) } as StoredTensor);
  }
  if (end !== body.byteLength) {
    fail('TRUNCATED', path, `${body.byteLength} bytes of data`, `${end}, the size that the header gives`);
  }
  return { tensors, metadata: metadata as Record<string, string> };
}

/**
 * Writes tensors atomically. The data begin at a multiple of 8 bytes and wider types come first, so that every tensor
 * is aligned; tensors of equal width keep their order.
 *
 * @example
 * await writeSafetensors('weights.safetensors', { weight: { shape: [2, 2], data: new Float32Array(4) } });
 *
 * @throws SpinegradError ERR_SHAPE, ERR_DISK_FULL, ERR_WRITE
 */
export async function writeSafetensors(
  path: string,
  tensors:
    | ReadonlyMap<string, { shape: readonly number[]; data: TensorData }>
    | Record<string, { shape: readonly number[]; data: TensorData }>,
  metadata: Record<string, string> = {},
): Promise<void> {
  expectArguments('writeSafetensors', arguments.length, 3);
  expectPath('writeSafetensors', path);
  if (typeof tensors !== 'object' || tensors === null) {
    throw new SpinegradError(
      'ERR_ARGUMENT',
      `writeSafetensors(): tensors: expected a Map or an object of tensors by name, found ${found(tensors)}`,
    );
  }
  const entries = tensors instanceof Map ? [...tensors] : Object.entries(tensors);
  entries.sort(([, a], [, b]) => b.data.BYTES_PER_ELEMENT - a.data.BYTES_PER_ELEMENT);
  const header: Record<string, unknown> = {};
  if (Object.keys(metadata).length > 0) header.__metadata__ = metadata;
  let offset = 0;
  for (const [name, { shape, data }] of entries) {
    if (product(shape) !== data.length) {
      throw new SpinegradError(
        'ERR_SHAPE',
        `writeSafetensors: tensor '${name}' has ${data.length} values, expected ${product(shape)} for [${shape}]`,
      );
    }
    header[name] = { dtype: dtypeOf(data), shape, data_offsets: [offset, offset + data.byteLength] };
    offset += data.byteLength;
  }
  const text = Buffer.from(JSON.stringify(header));
  const head = Buffer.alloc(8 + Math.ceil(text.byteLength / 8) * 8, ' ');
  head.writeBigUInt64LE(BigInt(head.byteLength - 8));
  text.copy(head, 8);
  const parts = entries.map(([, { data }]) => new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  await writeFileAtomic(path, [head, ...parts]);
}

interface Entry {
  name: string;
  dtype: StoredTensor['dtype'];
  shape: number[];
  from: number;
  to: number;
}

async function readParts(path: string): Promise<{ header: object; body: ArrayBuffer }> {
  await expectFile(path);
  const file = await open(path, 'r').catch((cause: unknown) => {
    throw readError(path, cause);
  });
  try {
    const { size } = await file.stat();
    if (size < 8) fail('TRUNCATED', path, `${size} bytes`, 'a header length of 8 bytes');
    const length = Number(Buffer.from(await readBytes(file, path, 0, 8)).readBigUInt64LE());
    if (length > MAX_HEADER) fail('HEADER', path, `a header of ${length} bytes`, `at most ${MAX_HEADER}`);
    if (8 + length > size) fail('TRUNCATED', path, `${size} bytes`, `a header of ${length} bytes`);
    let header: unknown;
    try {
      header = parseJson(Buffer.from(await readBytes(file, path, 8, length)).toString('utf8'));
    } catch (cause) {
      if (cause instanceof SpinegradError) throw cause;
    }
    if (typeof header !== 'object' || header === null || Array.isArray(header)) {
      fail('HEADER', path, 'a header that is not a JSON object', 'a safetensors file');
    }
    return { header, body: await readBytes(file, path, 8 + length, size - 8 - length) };
  } finally {
    await file.close();
  }
}

async function readBytes(
  file: Awaited<ReturnType<typeof open>>,
  path: string,
  position: number,
  length: number,
): Promise<ArrayBuffer> {
  const buffer = new ArrayBuffer(length);
  for (let at = 0; at < length; ) {
    const part = new Uint8Array(buffer, at, Math.min(length - at, 2 ** 30));
    const { bytesRead } = await file.read(part, 0, part.byteLength, position + at);
    if (bytesRead === 0) fail('TRUNCATED', path, `${position + at} bytes`, `${position + length}`);
    at += bytesRead;
  }
  return buffer;
}

function checkEntry(path: string, name: string, entry: unknown, bytes: number): Entry {
  const { dtype, shape, data_offsets: offsets } = (entry ?? {}) as Record<string, unknown>;
  const areSizes = (x: unknown): x is number[] =>
    Array.isArray(x) && x.every((n) => Number.isSafeInteger(n) && n >= 0);
  if (typeof dtype !== 'string' || !areSizes(shape) || !areSizes(offsets) || offsets.length !== 2) {
    fail('HEADER', path, `tensor '${name}' as ${JSON.stringify(entry)}`, 'dtype, shape and two data_offsets');
  }
  if (!Object.hasOwn(BYTES, dtype)) {
    fail('DTYPE', path, `tensor '${name}' of type ${dtype}`, `one of ${Object.keys(BYTES).join(', ')}`);
  }
  const [from, to] = offsets as [number, number];
  const supported = dtype as StoredTensor['dtype'];
  if (to > bytes) {
    fail('TRUNCATED', path, `${bytes} bytes of data`, `at least ${to}, for tensor '${name}'`);
  }
  if (to - from !== product(shape) * BYTES[supported]) {
    const expected = `${product(shape) * BYTES[supported]} bytes for ${dtype} [${shape}]`;
    fail('OFFSETS', path, `tensor '${name}' at ${from}..${to}`, expected);
  }
  return { name, dtype: supported, shape, from, to };
}

function view(
  path: string,
  name: string,
  dtype: Entry['dtype'],
  body: ArrayBuffer,
  from: number,
  to: number,
) {
  const aligned = from % BYTES[dtype] === 0;
  const [buffer, at] = aligned ? [body, from] : [body.slice(from, to), 0];
  const length = (to - from) / BYTES[dtype];
  if (dtype === 'F32') return new Float32Array(buffer, at, length);
  if (dtype === 'I32') return new Int32Array(buffer, at, length);
  if (dtype === 'U16') return new Uint16Array(buffer, at, length);
  if (dtype === 'U8') return new Uint8Array(buffer, at, length);
  return Float64Array.from(new BigInt64Array(buffer, at, length), (value) => {
    if (!Number.isSafeInteger(Number(value))) {
      fail('RANGE', path, `tensor '${name}' with the I64 value ${value}`, 'integers up to 2^53');
    }
    return Number(value);
  });
}

function dtypeOf(data: TensorData): StoredTensor['dtype'] {
  if (data instanceof Float32Array) return 'F32';
  if (data instanceof Int32Array) return 'I32';
  if (data instanceof Uint16Array) return 'U16';
  return 'U8';
}

const product = (shape: readonly number[]) => shape.reduce((a, b) => a * b, 1);

function fail(code: string, path: string, found: string, expected: string): never {
  throw new SpinegradError(
    `ERR_SAFETENSORS_${code}`,
    `${path}: found ${found}; expected ${expected}; the file is damaged or is not a safetensors file`,
  );
}
