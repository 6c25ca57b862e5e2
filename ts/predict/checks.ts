/** Whether an image can be graded, at which scale, and which grades are doubtful. */
import { LEVELS, type Level, type Point } from '../anatomy.js';
import { applyAffine, invertAffine, scaleOf } from '../data/affine.js';
import type { Layout } from '../data/layouts/layout.js';
import type { SourceSlice } from '../data/series.js';
import { PITCH_MM } from '../data/spacing.js';
import { SpinegradError } from '../error.js';
import type { Doubt } from '../model/doubts.js';
import type { Located } from '../model/located.js';
import type { TaskSeries } from '../tasks/task.js';
import { fluidIndex } from './contrast.js';
import type { Oriented } from './orientation.js';

/** Minimum log odds of the orientation against the next best one. */
const ORIENTATION_CERTAINTY = 2;

/** Minimum log odds per disc of the anterior edges; a smaller one is below that of 66 of 66 slices of SPIDER test patients. */
const ANTERIOR_EVIDENCE = 1.5;

/** Minimum side of a slice in pixels. On a smaller slice of a lumbar spine, a disc is about one pixel high. */
const MIN_SIDE = 32;

/** Maximum ratio of the sides of a slice in mm. A strip shows no lumbar spine, whatever the localizer finds on it. */
const MAX_ASPECT = 6;

/** Minimum distance of neighbouring discs, as a fraction of the longer side of the image. It is about 0.04 if that is the whole spine. */
const MIN_PITCH = 0.01;

/** Minimum distance of neighbouring discs, as a fraction of their mean distance. */
const MIN_DISTANCE = 0.25;

/**
 * Refuses a slice whose size cannot be that of a lumbar spine.
 *
 * @throws SpinegradError ERR_NOT_LUMBAR
 */
export function checkSize(input: string, { rows, columns, pixelSpacing }: SourceSlice): void {
  const [rowSpacing, columnSpacing] = pixelSpacing ?? [1, 1];
  const [width, height] = [columns * columnSpacing, rows * rowSpacing];
  const isStrip = Math.max(width, height) > MAX_ASPECT * Math.min(width, height);
  if (Math.min(rows, columns) >= MIN_SIDE && !isStrip) return;
  const size = pixelSpacing === null ? '' : ` of ${columnSpacing} x ${rowSpacing} mm`;
  throw new SpinegradError(
    'ERR_NOT_LUMBAR',
    `${input}: found a slice of ${columns} x ${rows} pixels${size}, expected at least ${MIN_SIDE} in both directions, and ` +
      `sides of a ratio up to ${MAX_ASPECT}; give a sagittal slice through the spinal canal`,
  );
}

/** @throws SpinegradError ERR_NOT_LUMBAR */
export function refuse(input: string, { discs, evidence }: Located): never {
  const found = discs.length === 0 ? 'no disc' : discs.map(({ level }) => level).join(', ');
  throw new SpinegradError(
    'ERR_NOT_LUMBAR',
    `${input}: the image does not look like a sagittal slice of the lumbar spine: found ${found} with the log likelihood ` +
      `ratio ${evidence.toFixed(1)}; give a sagittal slice through the spinal canal`,
  );
}

/**
 * Refuses discs of which two are at one place: the localization failed. Only the coordinate regression gives such discs.
 *
 * @throws SpinegradError ERR_NOT_LUMBAR
 */
export function checkApart(
  input: string,
  { rows, columns }: Pick<SourceSlice, 'rows' | 'columns'>,
  { discs, pitchPx }: Pick<Located, 'discs' | 'pitchPx'>,
): void {
  const least = Math.max(MIN_PITCH * Math.max(rows, columns), MIN_DISTANCE * pitchPx);
  for (const [index, { level, point }] of discs.entries()) {
    const next = discs[index + 1];
    if (next === undefined) return;
    const distance = Math.hypot(point[0] - next.point[0], point[1] - next.point[1]);
    if (distance >= least) continue;
    throw new SpinegradError(
      'ERR_NOT_LUMBAR',
      `${input}: the localization failed: found ${level} and ${next.level} ${distance.toFixed(1)} pixels apart, expected at ` +
        `least ${least.toFixed(1)}; give a sagittal slice through the spinal canal`,
    );
  }
}

export interface ScaledSlice {
  slice: SourceSlice & { pixelSpacing: readonly [number, number] };
  /** Why the spacing was taken from the distance of the discs; null if that of the input is used. */
  replaced: string | null;
}

/**
 * The slice with its pixel spacing, or with one from the distance of neighbouring discs if it is missing or not plausible.
 *
 * @param layout of the training data: what the localizer finds
 */
export function withScale({ slice, located }: Oriented, layout: Layout): ScaledSlice {
  const { pixelSpacing } = slice;
  const { min, max, assumed } = PITCH_MM[layout];
  const fromPitch = assumed / located.pitchPx;
  const replace = (reason: string): ScaledSlice => ({
    slice: { ...slice, pixelSpacing: [fromPitch, fromPitch] },
    replaced: `${reason}; ${fromPitch.toFixed(2)} mm is used, so that lumbar discs are ${assumed} mm apart`,
  });
  if (pixelSpacing === null) return replace('the input has no pixel spacing');
  const pitchMm = located.pitchPx * Math.sqrt(pixelSpacing[0] * pixelSpacing[1]);
  if (pitchMm >= min && pitchMm <= max) return { slice: { ...slice, pixelSpacing }, replaced: null };
  return replace(
    `the pixel spacing of ${pixelSpacing.map((mm) => mm.toFixed(2)).join(' x ')} mm is not plausible: lumbar discs would be ` +
      `${pitchMm.toFixed(0)} mm apart, expected ${min} to ${max}`,
  );
}

/**
 * Reasons to doubt grades: those of the localizer, the orientation, and the weighting. The weighting is measured relative to
 * disc centres. A model of the layout `rsna` finds the canal instead, so its weighting is not checked.
 *
 * @param layout of the training data: what the localizer finds
 */
export function doubtsOf(
  { crop, located, certainty }: Oriented,
  weighting: TaskSeries['weighting'],
  size: number,
  layout: Layout,
): Doubt[] {
  const doubts: Doubt[] = [...located.doubts];
  const anterior = located.anteriorLeft / located.discs.length;
  if (certainty < ORIENTATION_CERTAINTY || anterior < ANTERIOR_EVIDENCE) doubts.push('orientation');
  if (layout === 'rsna') return doubts;
  const toCrop = invertAffine(crop.toImage);
  const lumbar = located.discs.filter(({ level }) => (LEVELS as readonly Level[]).includes(level));
  const points = lumbar.map(({ point }): Point => applyAffine(toCrop, point));
  const mmPerPixel = located.pitchMm / (located.pitchPx * scaleOf(toCrop));
  const found = fluidIndex(crop.pixels, size, points, mmPerPixel) > 0 ? 'T2' : 'T1';
  if (found !== weighting) doubts.push('weighting');
  return doubts;
}
