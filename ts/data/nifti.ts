/**
 * Reads NIfTI volumes (.nii, .nii.gz) of any acquisition plane as stacks of sagittal slices. Directions and spacing
 * come from the sform or the qform, whichever has the larger code, else from the voxel sizes, with the axes right,
 * anterior, superior. RAS is converted to LPS.
 */
import { promisify } from 'node:util';
import { constants, gunzip } from 'node:zlib';
import { type NIFTI1, type NIFTI2, readHeader } from 'nifti-reader-js';
import type { Vector3 } from '../dicom/types.js';
import { SpinegradError } from '../error.js';
import { checkImageSize, MAX_FILE_BYTES, readImageFile } from '../io/imageLimit.js';
import type { SourceSlice } from './series.js';
import { sagittalSlices, type Volume } from './volume.js';

type Header = NIFTI1 | NIFTI2;

/** Size and reader of one voxel, per `datatype` code of NIfTI-1. */
const READERS: Record<
  number,
  [bytes: number, read: (view: DataView, offset: number, little: boolean) => number]
> = {
  2: [1, (view, at) => view.getUint8(at)],
  4: [2, (view, at, little) => view.getInt16(at, little)],
  8: [4, (view, at, little) => view.getInt32(at, little)],
  16: [4, (view, at, little) => view.getFloat32(at, little)],
  64: [8, (view, at, little) => view.getFloat64(at, little)],
  256: [1, (view, at) => view.getInt8(at)],
  512: [2, (view, at, little) => view.getUint16(at, little)],
  768: [4, (view, at, little) => view.getUint32(at, little)],
};

/** Bytes of a compressed file that are unpacked for the header. At most a thousand times as many come out. */
const PACKED_HEADER_BYTES = 2 ** 14;

/** Minimum volume of a voxel with edges of length 1. A tilted gantry of 30 degrees gives 0.87. */
const MIN_UNIT_VOLUME = 0.5;

/**
 * Reads the sagittal slices of a 3-D volume, from the patient's right to the left. Values are scaled by scl_slope and
 * scl_inter; non-finite values become 0. `instanceNumber` counts from 1 along the voxel axis.
 *
 * @throws SpinegradError ERR_FILE_NOT_FOUND, ERR_FILE_READ, ERR_IMAGE_LIMIT, ERR_NIFTI
 */
export async function readNifti(path: string): Promise<SourceSlice[]> {
  const bytes = await readImageFile(path);
  try {
    const isPacked = bytes[0] === 0x1f && bytes[1] === 0x8b;
    const layout = layoutOf(path, isPacked ? await unpackStart(bytes) : bytes);
    const file = isPacked ? await unpack(path, bytes, layout) : bytes;
    return sagittalSlices({ path, ...layout.volume, values: voxels(path, layout, file) });
  } catch (cause) {
    if (cause instanceof SpinegradError) throw cause;
    const found = `unreadable data (${(cause as Error).message})`;
    throw niftiError(path, found, 'a NIfTI-1 or NIfTI-2 volume', cause);
  }
}

interface Layout {
  header: Header;
  volume: Omit<Volume, 'path' | 'values'>;
  /** Of the first and after the last voxel, in bytes of the file. */
  start: number;
  end: number;
}

const unpackStart = (bytes: Buffer): Promise<Buffer> =>
  promisify(gunzip)(bytes.subarray(0, PACKED_HEADER_BYTES), { finishFlush: constants.Z_SYNC_FLUSH });

async function unpack(path: string, bytes: Buffer, { end }: Layout): Promise<Buffer> {
  try {
    return await promisify(gunzip)(bytes, { maxOutputLength: end });
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ERR_BUFFER_TOO_LARGE') throw cause;
    throw niftiError(path, `more than ${end} bytes`, `${end}, from the header`, cause);
  }
}

/** What the header states, checked before the voxels are unpacked. */
function layoutOf(path: string, file: Buffer): Layout {
  // Without the extensions, whose sizes the library does not check.
  const isVersion2 = file.toString('latin1', 4, 7) === 'n+2';
  const headerBytes = isVersion2 ? 540 : 348;
  const header = readHeader(new Uint8Array(file.subarray(0, headerBytes)).buffer);
  if (header === null) throw niftiError(path, 'no NIfTI header', 'a .nii or .nii.gz file');
  const [dimensions = 0, ...extent] = header.dims;
  const size = extent.slice(0, 3) as [number, number, number];
  if (!(dimensions >= 3) || extent.slice(3, dimensions).some((n) => n > 1) || size.some((n) => n < 1)) {
    throw niftiError(path, `an image of [${extent.slice(0, dimensions)}]`, 'a 3-D volume');
  }
  const [bytes] = readerOf(path, header);
  checkImageSize(path, size, bytes);
  const start = header.vox_offset;
  if (!(start >= headerBytes && start <= MAX_FILE_BYTES)) {
    throw niftiError(path, `voxels at byte ${start}`, `a vox_offset of ${headerBytes} or more`);
  }
  const axes = voxelAxes(header);
  const origin = [0, 1, 2].map((i) => lps(i) * header.affine[i]![3]!) as unknown as Vector3;
  checkAxes(path, axes, origin);
  const end = Math.trunc(start) + bytes * size[0] * size[1] * size[2];
  return { header, volume: { size, axes, origin, hasSpacing: true }, start: Math.trunc(start), end };
}

function checkAxes(path: string, axes: Volume['axes'], origin: Vector3): void {
  const lengths = axes.map((axis) => Math.hypot(...axis));
  if (!lengths.every((length) => Number.isFinite(length) && length > 0)) {
    const found = `voxels of ${lengths.join(' x ')} mm`;
    throw niftiError(path, found, 'positive lengths in pixdim, or in the sform if it has a code');
  }
  const [[a, b, c], [d, e, f], [g, h, i]] = axes;
  const volume = a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g);
  const unitVolume = Math.abs(volume) / (lengths[0]! * lengths[1]! * lengths[2]!);
  if (!(unitVolume >= MIN_UNIT_VOLUME)) {
    throw niftiError(path, `the voxel axes [${axes.join('], [')}]`, 'axes that are about perpendicular');
  }
  if (!origin.every(Number.isFinite)) throw niftiError(path, `the origin ${origin}`, 'a position in mm');
}

function readerOf(path: string, { datatypeCode }: Header) {
  const reader = READERS[datatypeCode];
  if (reader !== undefined) return reader;
  throw niftiError(path, `voxels of datatype ${datatypeCode}`, 'integers of up to 32 bits or floats');
}

/** The rescaled voxel values. */
function voxels(path: string, { header, volume, start, end }: Layout, file: Buffer): Float32Array {
  if (file.length < end) {
    throw niftiError(path, `${file.length} bytes`, `${end} with all voxels; the file is truncated`);
  }
  const [bytes, read] = readerOf(path, header);
  const [slope, intercept] = header.scl_slope ? [header.scl_slope, header.scl_inter] : [1, 0];
  if (!Number.isFinite(slope) || !Number.isFinite(intercept)) {
    throw niftiError(path, `scl_slope ${slope} and scl_inter ${intercept}`, 'finite numbers');
  }
  const view = new DataView(file.buffer, file.byteOffset + start, end - start);
  const values = new Float32Array(volume.size[0] * volume.size[1] * volume.size[2]);
  for (let i = 0; i < values.length; i++) {
    values[i] = read(view, i * bytes, header.littleEndian) * slope + intercept;
  }
  return values;
}

/** For each voxel axis, the vector to the next voxel in LPS mm. */
function voxelAxes({ affine }: Header): Volume['axes'] {
  const step = (axis: number) => (i: number) => lps(i) * affine[i]![axis]!;
  return [0, 1, 2].map((axis) => [0, 1, 2].map(step(axis))) as unknown as Volume['axes'];
}

const lps = (i: number) => (i < 2 ? -1 : 1);

function niftiError(path: string, found: string, expected: string, cause?: unknown): SpinegradError {
  return new SpinegradError('ERR_NIFTI', `${path}: found ${found}; expected ${expected}`, { cause });
}
