/**
 * Reads NIfTI volumes (.nii, .nii.gz) of any acquisition plane as stacks of sagittal slices. Directions and spacing
 * come from the sform or the qform, whichever has the larger code, else from the voxel sizes, with the axes right,
 * anterior, superior. RAS is converted to LPS.
 */
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { type NIFTI1, type NIFTI2, readHeader, readImage } from 'nifti-reader-js';
import type { Vector3 } from '../dicom/types.js';
import { SpinegradError } from '../error.js';
import { readError } from '../io/files.js';
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

/**
 * Reads the sagittal slices of a 3-D volume, from the patient's right to the left. Values are scaled by scl_slope and
 * scl_inter; non-finite values become 0. `instanceNumber` counts from 1 along the voxel axis.
 *
 * @throws SpinegradError ERR_FILE_NOT_FOUND, ERR_FILE_READ, ERR_NIFTI
 */
export async function readNifti(path: string): Promise<SourceSlice[]> {
  const bytes = await readFile(path).catch((cause) => {
    throw readError(path, cause);
  });
  try {
    const gzipped = bytes[0] === 0x1f && bytes[1] === 0x8b;
    const { buffer, byteOffset, byteLength } = gzipped ? await promisify(gunzip)(bytes) : bytes;
    const file = buffer.slice(byteOffset, byteOffset + byteLength) as ArrayBuffer;
    return slicesOf(path, readHeader(file), file);
  } catch (cause) {
    if (cause instanceof SpinegradError) throw cause;
    throw niftiError(
      path,
      `unreadable data (${(cause as Error).message})`,
      'a NIfTI-1 or NIfTI-2 volume',
      cause,
    );
  }
}

function slicesOf(path: string, header: Header | null, file: ArrayBuffer): SourceSlice[] {
  if (header === null) throw niftiError(path, 'no NIfTI header', 'a .nii or .nii.gz file');
  const [dimensions = 0, ...extent] = header.dims;
  const size = extent.slice(0, 3) as [number, number, number];
  if (dimensions < 3 || extent.slice(3, dimensions).some((n) => n > 1) || size.some((n) => n < 1)) {
    throw niftiError(path, `an image of [${extent.slice(0, dimensions)}]`, 'a 3-D volume');
  }
  const values = voxels(path, header, file, size);
  const origin = [0, 1, 2].map((i) => lps(i) * header.affine[i]![3]!) as unknown as Vector3;
  return sagittalSlices({ path, size, values, axes: voxelAxes(header), origin, hasSpacing: true });
}

/** The rescaled voxel values. */
function voxels(path: string, header: Header, file: ArrayBuffer, size: readonly number[]) {
  const reader = READERS[header.datatypeCode];
  if (reader === undefined) {
    throw niftiError(
      path,
      `voxels of datatype ${header.datatypeCode}`,
      'integers of up to 32 bits or floats',
    );
  }
  const [bytes, read] = reader;
  const count = size.reduce((a, b) => a * b, 1);
  const view = new DataView(readImage(header, file));
  if (view.byteLength < count * bytes) {
    throw niftiError(path, `${view.byteLength} bytes of voxels`, `${count * bytes}; the file is truncated`);
  }
  const [slope, intercept] = header.scl_slope ? [header.scl_slope, header.scl_inter] : [1, 0];
  const values = new Float32Array(count);
  for (let i = 0; i < count; i++) values[i] = read(view, i * bytes, header.littleEndian) * slope + intercept;
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
