/** Cuts a volume of voxels into sagittal slices. */
import type { Vector3 } from '../dicom/types.js';
import { intensityWindow } from '../dicom/window.js';
import { type SourceSlice, sortSeries } from './series.js';

export interface Volume {
  path: string;
  size: readonly [number, number, number];
  /** Voxel values; the first axis varies fastest. */
  values: ArrayLike<number>;
  /** For each voxel axis, the vector to the next voxel in patient coordinates (LPS, mm). */
  axes: readonly [Vector3, Vector3, Vector3];
  /** Centre of the first voxel (LPS, mm). */
  origin: Vector3;
  /** Whether the file states the lengths of `axes`. Otherwise the slices have no pixel spacing. */
  hasSpacing: boolean;
}

/**
 * The sagittal slices of a volume, from the patient's right to the left. The slice axis is the voxel axis nearest to
 * left-right. `instanceNumber` counts from 1 along that axis. Values that are not finite in float32 become 0.
 */
export function sagittalSlices({ path, size, values, axes, origin, hasSpacing }: Volume): SourceSlice[] {
  const sagittal = axes.map(([x, y, z]) => Math.abs(x) / Math.hypot(x, y, z));
  const slice = sagittal.indexOf(Math.max(...sagittal)) as 0 | 1 | 2;
  const [column, row] = ([0, 1, 2] as const).filter((axis) => axis !== slice) as [0 | 1 | 2, 0 | 1 | 2];
  const stride = [1, size[0], size[0] * size[1]] as const;
  const slices = Array.from({ length: size[slice] }, (_, k): SourceSlice => {
    const pixels = new Float32Array(size[row] * size[column]);
    let i = 0;
    for (let y = 0; y < size[row]; y++) {
      let voxel = k * stride[slice] + y * stride[row];
      for (let x = 0; x < size[column]; x++, i++, voxel += stride[column]) {
        pixels[i] = values[voxel]!;
        if (!Number.isFinite(pixels[i])) pixels[i] = 0;
      }
    }
    return {
      path,
      instanceNumber: k + 1,
      rows: size[row],
      columns: size[column],
      pixels,
      window: intensityWindow(pixels),
      pixelSpacing: hasSpacing ? [Math.hypot(...axes[row]), Math.hypot(...axes[column])] : null,
      geometry: {
        rowDirection: unit(axes[column]),
        columnDirection: unit(axes[row]),
        position: origin.map((o, i) => o + k * axes[slice][i]!) as unknown as Vector3,
      },
    };
  });
  return sortSeries(slices);
}

const unit = ([x, y, z]: Vector3): Vector3 => {
  const length = Math.hypot(x, y, z);
  return [x / length, y / length, z / length];
};
