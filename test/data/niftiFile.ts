/** Writes small NIfTI-1 files (.nii) of 16-bit integers. */

export interface NiftiFile {
  size: readonly [number, number, number];
  /** Spacing in mm; default 4 x 0.5 x 0.5. */
  pixdim?: readonly [number, number, number];
  /** Default 352. */
  voxOffset?: number;
  /** Without it, a file has as many bytes of voxels as its header states. */
  voxelBytes?: number;
}

/** The bytes of a file whose directions follow from pixdim: the voxel axes point right, anteriorly and superiorly. */
export function encodeNifti({
  size,
  pixdim = [4, 0.5, 0.5],
  voxOffset = 352,
  voxelBytes,
}: NiftiFile): Buffer {
  const voxels = voxelBytes ?? 2 * size[0] * size[1] * size[2];
  const file = Buffer.alloc(352 + voxels);
  file.writeInt32LE(348, 0);
  for (const [i, value] of [3, ...size, 1, 1, 1, 1].entries()) file.writeInt16LE(value, 40 + 2 * i);
  file.writeInt16LE(4, 70);
  file.writeInt16LE(16, 72);
  for (const [i, value] of [1, ...pixdim].entries()) file.writeFloatLE(value, 76 + 4 * i);
  file.writeFloatLE(voxOffset, 108);
  file.write('n+1\0', 344, 'latin1');
  for (let i = 0; i < voxels / 2; i++) file.writeInt16LE(i % 1000, 352 + 2 * i);
  return file;
}
