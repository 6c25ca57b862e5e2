/**
 * Reads MetaImage volumes (.mha) as stacks of sagittal slices, as MetaIO reads them
 * (https://docs.itk.org/projects/metaio/en/latest/). The file is a header of lines `key = value` that ends with
 * ElementDataFile, followed by the voxels, raw or compressed by zlib or gzip. Row i of the direction matrix is the
 * direction of voxel axis i in LPS. MetaIO, ITK and this reader ignore AnatomicalOrientation.
 */
import { promisify } from 'node:util';
import { unzip } from 'node:zlib';
import { ORTHONORMAL_TOLERANCE } from '../dicom/geometry.js';
import type { Vector3 } from '../dicom/types.js';
import { SpinegradError } from '../error.js';
import { checkImageSize, readImageFile } from '../io/imageLimit.js';
import type { SourceSlice } from './series.js';
import { sagittalSlices, type Volume } from './volume.js';

/** The header ends within this number of bytes. SimpleITK writes less than 1 kB. */
const MAX_HEADER_BYTES = 2 ** 16;

/** Bytes that zlib unpacks per call. Its default of 16 kB makes a thousand calls per volume. */
const UNPACKED_CHUNK = 2 ** 20;

/** Maximum angle of a voxel axis to the nearest patient axis, in degrees. */
const MAX_OBLIQUITY = 30;

/** The arrays of the element types. MET_LONG has 4 bytes on every platform. */
const ELEMENTS = {
  MET_CHAR: Int8Array,
  MET_UCHAR: Uint8Array,
  MET_SHORT: Int16Array,
  MET_USHORT: Uint16Array,
  MET_INT: Int32Array,
  MET_UINT: Uint32Array,
  MET_LONG: Int32Array,
  MET_ULONG: Uint32Array,
  MET_LONG_LONG: BigInt64Array,
  MET_ULONG_LONG: BigUint64Array,
  MET_FLOAT: Float32Array,
  MET_DOUBLE: Float64Array,
} as const;

/** Names of a field, in ascending precedence. Those with `Element` belong to version 1 of the format. */
const ORIGIN = ['Offset', 'Position', 'Origin', 'ImagePosition', 'ElementOrigin'];
const DIRECTION = ['Orientation', 'Rotation', 'TransformMatrix', 'ElementDirection'];
const SPACING = ['ElementSize', 'ElementSpacing'];

/**
 * Reads the sagittal slices of a 3-D volume, from the patient's right to the left. Values that are not finite become 0.
 * `instanceNumber` counts from 1 along the voxel axis. Slices have no pixel spacing if the file states none.
 *
 * @throws SpinegradError ERR_FILE_NOT_FOUND, ERR_FILE_READ, ERR_IMAGE_LIMIT; ERR_MHA if the header is invalid, if voxels are
 *   missing, in another file, text or vectors, or if a voxel axis is more than 30 degrees from each patient axis
 * @example
 * const slices = await readMha('SPIDER/images/1_t2.mha');
 * const { rows, columns, pixelSpacing } = canalSlice(slices);
 */
export async function readMha(path: string): Promise<SourceSlice[]> {
  return sagittalSlices(await new MhaReader(path, await readImageFile(path)).read());
}

class MhaReader {
  private readonly fields = new Map<string, string>();
  private readonly dataStart: number;

  constructor(
    private readonly path: string,
    private readonly file: Buffer,
  ) {
    this.dataStart = this.readFields();
  }

  async read(): Promise<Volume> {
    const { path } = this;
    this.checkForm();
    const size = this.numbers(['DimSize'], 3);
    if (size === null) throw this.error('no DimSize', 'the number of voxels along three axes');
    if (size.some((n) => !Number.isInteger(n) || n < 1)) {
      throw this.error(`DimSize = ${size.join(' ')}`, 'three positive integers');
    }
    const spacing = this.numbers(SPACING, 3);
    if (spacing?.some((length) => length <= 0)) {
      throw this.error(`ElementSpacing = ${spacing.join(' ')}`, 'positive lengths in mm');
    }
    const directions = this.directions();
    const axes = directions.map((axis, i) => axis.map((cosine) => cosine * (spacing?.[i] ?? 1)));
    return {
      path,
      size: size as [number, number, number],
      values: await this.voxels(size),
      axes: axes as unknown as Volume['axes'],
      origin: (this.numbers(ORIGIN, 3) ?? [0, 0, 0]) as unknown as Vector3,
      hasSpacing: spacing !== null,
    };
  }

  /** Reads the header and returns the position of the first byte after it. */
  private readFields(): number {
    const header = this.file.subarray(0, MAX_HEADER_BYTES);
    for (
      let start = 0, end = header.indexOf(10);
      end >= 0;
      start = end + 1, end = header.indexOf(10, start)
    ) {
      const line = header.toString('latin1', start, end);
      const [, key, value] = /^\s*(\w+)\s*[=:]\s*(.*?)\s*$/.exec(line) ?? [];
      if (key === undefined || value === undefined) {
        if (line.trim() === '') continue;
        throw this.error(`the line '${line.slice(0, 40)}'`, 'a MetaImage header of lines `key = value`');
      }
      this.fields.set(key, value);
      if (key === 'ElementDataFile') return end + 1;
    }
    throw this.error('no line ElementDataFile', 'a MetaImage header that ends with ElementDataFile = LOCAL');
  }

  private checkForm(): void {
    const objectType = this.fields.get('ObjectType') ?? 'Image';
    if (objectType !== 'Image') throw this.error(`ObjectType = ${objectType}`, 'Image');
    const source = this.fields.get('ElementDataFile')!;
    if (source.toUpperCase() !== 'LOCAL') {
      const advice = 'write the volume to one .mha file, for example with SimpleITK.WriteImage';
      throw this.error(`voxels in other files (ElementDataFile = ${source})`, `LOCAL; ${advice}`);
    }
    if (!this.flag('BinaryData')) throw this.error('voxels as text', 'BinaryData = True');
    const skipped = this.fields.get('HeaderSize') ?? '0';
    if (skipped !== '0') throw this.error(`HeaderSize = ${skipped}`, 'voxels directly after the header');
    const dimensions = this.fields.get('NDims');
    if (dimensions !== '3') throw this.error(`NDims = ${dimensions ?? '(missing)'}`, '3, a volume');
    const channels = this.fields.get('ElementNumberOfChannels') ?? '1';
    if (channels !== '1') throw this.error(`${channels} components per voxel`, 'one grey value');
  }

  /** The directions of the voxel axes. */
  private directions(): number[][] {
    const matrix = this.numbers(DIRECTION, 9) ?? [1, 0, 0, 0, 1, 0, 0, 0, 1];
    const axes = [0, 3, 6].map((start) => matrix.slice(start, start + 3));
    for (const [i, a] of axes.entries()) {
      for (const [j, b] of axes.entries()) {
        const product = a.reduce((sum, value, k) => sum + value * b[k]!, 0);
        if (Math.abs(product - (i === j ? 1 : 0)) > ORTHONORMAL_TOLERANCE) {
          throw this.error(`the direction matrix [${matrix}]`, 'perpendicular unit vectors');
        }
      }
      const cosine = Math.min(1, Math.max(...a.map(Math.abs)));
      const angle = (Math.acos(cosine) * 180) / Math.PI;
      if (angle > MAX_OBLIQUITY) {
        throw this.error(
          `a voxel axis ${angle.toFixed(0)} degrees from the nearest patient axis`,
          `at most ${MAX_OBLIQUITY}; resample the volume to the patient axes`,
        );
      }
    }
    return axes;
  }

  private async voxels(size: readonly number[]): Promise<ArrayLike<number>> {
    const name = this.fields.get('ElementType')?.replace(/_ARRAY$/, '');
    const Elements = ELEMENTS[name as keyof typeof ELEMENTS];
    if (Elements === undefined) {
      throw this.error(`ElementType = ${name ?? '(missing)'}`, Object.keys(ELEMENTS).join(', '));
    }
    checkImageSize(this.path, size, Elements.BYTES_PER_ELEMENT);
    const expected = size[0]! * size[1]! * size[2]! * Elements.BYTES_PER_ELEMENT;
    const stored = this.file.subarray(this.dataStart);
    const bytes = this.flag('CompressedData') ? await this.unpacked(stored, expected) : stored;
    // A copy, because typed arrays must be aligned to their elements.
    const { buffer } = new Uint8Array(this.checkSize(bytes, expected));
    if (this.flag('BinaryDataByteOrderMSB', 'ElementByteOrderMSB'))
      swapBytes(buffer, Elements.BYTES_PER_ELEMENT);
    const values = new Elements(buffer);
    return values instanceof BigInt64Array || values instanceof BigUint64Array
      ? Float64Array.from(values as Iterable<bigint>, Number)
      : values;
  }

  private async unpacked(stored: Buffer, expected: number): Promise<Buffer> {
    const [size] = this.numbers(['CompressedDataSize'], 1) ?? [stored.length];
    const packed = this.checkSize(stored, size!, 'compressed bytes');
    try {
      return await promisify(unzip)(packed, { maxOutputLength: expected, chunkSize: UNPACKED_CHUNK });
    } catch (cause) {
      const { code, message } = cause as NodeJS.ErrnoException;
      if (code === 'ERR_BUFFER_TOO_LARGE') {
        throw this.error(
          `more than ${expected} bytes of voxels`,
          `${expected}, from DimSize and ElementType`,
        );
      }
      throw this.error(`compressed voxels that cannot be unpacked (${message})`, 'zlib or gzip data', cause);
    }
  }

  private checkSize(bytes: Buffer, expected: number, what = 'bytes of voxels'): Buffer {
    if (bytes.length === expected) return bytes;
    const reason = bytes.length < expected ? 'the file is truncated' : 'the header and the voxels disagree';
    throw this.error(`${bytes.length} ${what}`, `${expected}; ${reason}, copy or download it again`);
  }

  /** Whether the first of the given fields that is present is true. */
  private flag(...names: string[]): boolean {
    const value = names.map((name) => this.fields.get(name)).find((found) => found !== undefined);
    return /^(true|1)/i.test(value ?? '');
  }

  /** The numbers of the last of the given fields that is present; null if there is none. */
  private numbers(names: readonly string[], count: number): number[] | null {
    const name = names.findLast((candidate) => this.fields.has(candidate));
    if (name === undefined) return null;
    const text = this.fields.get(name)!;
    const values = text.split(/\s+/).map(Number);
    if (text === '' || values.length !== count || !values.every(Number.isFinite)) {
      throw this.error(`${name} = ${text}`, `${count} numbers`);
    }
    return values;
  }

  private error(found: string, expected: string, cause?: unknown): SpinegradError {
    return new SpinegradError('ERR_MHA', `${this.path}: found ${found}; expected ${expected}`, { cause });
  }
}

function swapBytes(buffer: ArrayBuffer, size: number): void {
  if (size === 2) Buffer.from(buffer).swap16();
  if (size === 4) Buffer.from(buffer).swap32();
  if (size === 8) Buffer.from(buffer).swap64();
}
