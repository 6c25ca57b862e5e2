/**
 * Cuts what the networks see out of a slice: a square ROI around a disc centre, and the whole slice letterboxed
 * for the localizer. Both are canonical (anterior left, superior up; an axial slice: anterior up, the patient's
 * left on the right), turned by quarter turns as the geometry says, never by habit; a slice without geometry is
 * taken to be canonical already. The intensities of both are scaled by a robust window of the whole slice, so
 * that a ROI keeps its brightness against the rest of the patient.
 *
 * The same functions serve annotated centres (the bank) and predicted ones (evaluation, `spinegrad predict`).
 */

import type { Affine, Point } from '../anatomy.js';
import { canonicalOrientation, toPatient } from '../dicom/geometry.js';
import type { Vector3 } from '../dicom/types.js';
import type { IntensityWindow } from '../dicom/window.js';
import { SpinegradError } from '../error.js';
import { resample } from './resample.js';
import type { SourceSlice } from './series.js';
import type { RoiSpec } from './types.js';

export interface Crop {
  /** [size, size]; 0..65535 spans the window. */
  pixels: Uint16Array;
  toImage: Affine;
  window: IntensityWindow;
}

/** The point of an image that is nearest to `point`; `point` itself if it lies inside. */
export function clampToImage(point: Point, [width, height]: readonly [width: number, height: number]): Point {
  const [x, y] = point;
  const inside: Point = [Math.min(Math.max(x, 0), width - 1), Math.min(Math.max(y, 0), height - 1)];
  return inside[0] === x && inside[1] === y ? point : inside;
}

/**
 * The ROI of `spec.size` pixels a side around a disc centre. Mode `mm`: spans `extentMm`, bilinear (antialiased
 * where it shrinks), centred to a fraction of a pixel. Mode `pixels`: the source's own pixels, not resampled (where
 * they are not square, neither is the anatomy), centred on the nearest one. Beyond the image's border its nearest
 * pixel is repeated.
 *
 * @param centre in pixels of the slice; it must lie inside
 * @throws SpinegradError ERR_COORDINATE_OUTSIDE, ERR_PIXEL_SPACING
 */
export function cropRoi(
  slice: SourceSlice,
  centre: Point,
  spec: Pick<RoiSpec, 'size' | 'mode' | 'extentMm'>,
): Crop {
  const [x, y] = centre;
  if (!(x >= -0.5 && y >= -0.5 && x < slice.columns - 0.5 && y < slice.rows - 0.5)) {
    throw new SpinegradError(
      'ERR_COORDINATE_OUTSIDE',
      `${slice.path}: found the disc centre (${x}, ${y}); expected it inside the image of ` +
        `${slice.columns}x${slice.rows} pixels`,
    );
  }
  let toImage: Affine;
  if (spec.mode === 'pixels') {
    toImage = placed(slice, [1, 1], [Math.round(x), Math.round(y)], spec.size / 2);
  } else {
    if (slice.pixelSpacing === null) {
      throw new SpinegradError(
        'ERR_PIXEL_SPACING',
        `${slice.path}: found no pixel spacing (0028,0030), which a ROI in mm needs; use ROIs in pixels`,
      );
    }
    const step = spec.extentMm / spec.size;
    const [rowSpacing, columnSpacing] = slice.pixelSpacing;
    const steps = [step / columnSpacing, step / rowSpacing] as const;
    toImage = placed(slice, steps, centre, (spec.size - 1) / 2);
  }
  const { window } = slice;
  return { pixels: resample(slice, toImage, spec.size, window, 'replicate'), toImage, window };
}

/**
 * The whole slice in a `size` x `size` image, isotropic in mm (square pixels where the spacing is not known),
 * centred; what lies beside it is 0.
 */
export function letterboxSlice(slice: SourceSlice, size: number): Crop {
  const [rowSpacing, columnSpacing] = slice.pixelSpacing ?? [1, 1];
  const step = Math.max(slice.columns * columnSpacing, slice.rows * rowSpacing) / size;
  const steps = [step / columnSpacing, step / rowSpacing] as const;
  const middle = [(slice.columns - 1) / 2, (slice.rows - 1) / 2] as const;
  const toImage = placed(slice, steps, middle, (size - 1) / 2);
  const { window } = slice;
  return { pixels: resample(slice, toImage, size, window, 'low'), toImage, window };
}

/** Patient coordinates (LPS, mm) of a point of the slice; null without geometry or spacing. */
export function pointInPatient({ geometry, pixelSpacing }: SourceSlice, [x, y]: Point): Vector3 | null {
  return geometry === null || pixelSpacing === null ? null : toPatient(geometry, pixelSpacing, x, y);
}

/**
 * The map that turns as the slice's geometry asks, takes steps of so many source pixels along x and y, and sends
 * the crop's (middle, middle) to `centre`.
 */
function placed(slice: SourceSlice, [stepX, stepY]: Point, centre: Point, middle: number): Affine {
  const turn = slice.geometry && canonicalOrientation(slice.geometry, slice.columns, slice.rows).toImage;
  const [a, b, , d, e] = turn ?? [1, 0, 0, 0, 1, 0];
  const x = (a + b) * stepX * middle;
  const y = (d + e) * stepY * middle;
  return [a * stepX, b * stepX, centre[0] - x, d * stepY, e * stepY, centre[1] - y];
}
