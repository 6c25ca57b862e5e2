/**
 * Cuts the inputs of the networks from a slice: a square ROI around a disc centre, and the letterboxed slice for the
 * localizer. Both are canonical (anterior left, superior up; axial: anterior up, the patient's left on the right), by
 * flips and rotations that follow from the geometry. A slice without geometry is assumed to be canonical. The intensity
 * window is that of the slice, so a ROI keeps its brightness relative to the rest of the patient.
 *
 * The bank uses these functions for annotated centres, evaluation and `spinegrad predict` for predicted ones.
 */

import type { Affine, Point } from '../anatomy.js';
import { canonicalOrientation, toPatient, toPixel } from '../dicom/geometry.js';
import type { Vector3 } from '../dicom/types.js';
import type { IntensityWindow } from '../dicom/window.js';
import { SpinegradError } from '../error.js';
import { resample } from './resample.js';
import type { SourceSlice } from './series.js';
import type { RoiSpec } from './types.js';

export interface Crop {
  /** uint16 [size, size]; 0 to 65535 spans the window. */
  pixels: Uint16Array;
  toImage: Affine;
  window: IntensityWindow;
}

/** The point of the image nearest to `point`. */
export function clampToImage(point: Point, [width, height]: readonly [width: number, height: number]): Point {
  const [x, y] = point;
  const inside: Point = [Math.min(Math.max(x, 0), width - 1), Math.min(Math.max(y, 0), height - 1)];
  return inside[0] === x && inside[1] === y ? point : inside;
}

/**
 * Cuts a ROI of `spec.size` x `spec.size` pixels around a disc centre. Mode `mm` resamples `extentMm` bilinearly, with
 * antialiasing, centred with subpixel accuracy. Mode `pixels` copies the pixels of the source around the pixel nearest
 * to the centre; if they are not square, the anatomy is distorted. Outside the image, the nearest pixel is repeated.
 *
 * @param centre in pixels of the slice, inside the image
 * @throws SpinegradError ERR_COORDINATE_OUTSIDE, ERR_PIXEL_SPACING
 */
export function cropRoi(
  slice: SourceSlice,
  centre: Point,
  spec: Pick<RoiSpec, 'size' | 'mode' | 'extentMm'>,
): Crop {
  checkInside(slice, centre);
  const [x, y] = centre;
  let toImage: Affine;
  if (spec.mode === 'pixels') {
    toImage = cropMap(slice, [1, 1], [Math.round(x), Math.round(y)], spec.size / 2);
  } else {
    if (slice.pixelSpacing === null) {
      throw new SpinegradError(
        'ERR_PIXEL_SPACING',
        `${slice.path}: Pixel Spacing (0028,0030) is missing, but ROI mode mm requires it; use mode pixels`,
      );
    }
    const step = spec.extentMm / spec.size;
    const [rowSpacing, columnSpacing] = slice.pixelSpacing;
    const steps = [step / columnSpacing, step / rowSpacing] as const;
    toImage = cropMap(slice, steps, centre, (spec.size - 1) / 2);
  }
  const { window } = slice;
  return { pixels: resample(slice, toImage, spec.size, window, 'replicate'), toImage, window };
}

/** @throws SpinegradError ERR_COORDINATE_OUTSIDE if a disc centre is not in the image */
export function checkInside({ path, columns, rows }: SourceSlice, [x, y]: Point): void {
  if (x >= -0.5 && y >= -0.5 && x < columns - 0.5 && y < rows - 0.5) return;
  throw new SpinegradError(
    'ERR_COORDINATE_OUTSIDE',
    `${path}: the disc centre (${x}, ${y}) is outside the image of ${columns} x ${rows} pixels`,
  );
}

/**
 * Fits the slice into a `size` x `size` image: centred, isotropic in mm, padded with 0. Without pixel spacing, pixels
 * are assumed to be square.
 */
export function letterboxSlice(slice: SourceSlice, size: number): Crop {
  const [rowSpacing, columnSpacing] = slice.pixelSpacing ?? [1, 1];
  const step = Math.max(slice.columns * columnSpacing, slice.rows * rowSpacing) / size;
  const steps = [step / columnSpacing, step / rowSpacing] as const;
  const middle = [(slice.columns - 1) / 2, (slice.rows - 1) / 2] as const;
  const toImage = cropMap(slice, steps, middle, (size - 1) / 2);
  const { window } = slice;
  return { pixels: resample(slice, toImage, size, window, 'low'), toImage, window };
}

/** What maps pixels of a slice to the patient. */
type SlicePlane = Pick<SourceSlice, 'geometry' | 'pixelSpacing'>;

/** Patient coordinates (LPS, mm) of a point of the slice; null without geometry or spacing. */
export function pointInPatient({ geometry, pixelSpacing }: SlicePlane, [x, y]: Point): Vector3 | null {
  return geometry === null || pixelSpacing === null ? null : toPatient(geometry, pixelSpacing, x, y);
}

/** The projection of a patient point on the slice, in pixels; null without geometry or spacing. */
export function pixelOfPatient({ geometry, pixelSpacing }: SlicePlane, point: Vector3): Point | null {
  return geometry === null || pixelSpacing === null ? null : toPixel(geometry, pixelSpacing, point);
}

/**
 * The map from a canonical crop to the slice. A crop pixel is `stepX` source pixels wide and `stepY` high; the crop
 * point (middle, middle) maps to `centre`.
 */
function cropMap(slice: SourceSlice, [stepX, stepY]: Point, centre: Point, middle: number): Affine {
  const orientation =
    slice.geometry && canonicalOrientation(slice.geometry, slice.columns, slice.rows).toImage;
  const [a, b, , d, e] = orientation ?? [1, 0, 0, 0, 1, 0];
  const x = (a + b) * stepX * middle;
  const y = (d + e) * stepY * middle;
  return [a * stepX, b * stepX, centre[0] - x, d * stepY, e * stepY, centre[1] - y];
}
