/** Fixed views of a crop for test-time augmentation: the crop itself, slightly rotated, scaled and shifted. */
import { SpinegradError } from '../error.js';

export interface GradingView {
  /** Degrees. */
  rotation: number;
  /** Magnification. */
  scale: number;
  /** Fractions of the side. */
  shift: readonly [x: number, y: number];
}

const PLAIN: GradingView = { rotation: 0, scale: 1, shift: [0, 0] };

/**
 * The first n are used. They are about half as strong as the augmentation of training, and every second one is the reverse of
 * the one before.
 */
export const GRADING_VIEWS: readonly GradingView[] = [
  PLAIN,
  { ...PLAIN, rotation: 5 },
  { ...PLAIN, rotation: -5 },
  { ...PLAIN, scale: 1.06 },
  { ...PLAIN, scale: 1 / 1.06 },
  { ...PLAIN, shift: [0.03, 0] },
  { ...PLAIN, shift: [-0.03, 0] },
  { ...PLAIN, shift: [0, 0.03] },
  { ...PLAIN, shift: [0, -0.03] },
];

/**
 * A view of crops, by bilinear resampling; the border is extended by its nearest pixel.
 *
 * @param crops uint16 [crops, size, size]
 * @returns crops of the same shape; the crops themselves for a view that changes nothing
 *
 * @example
 * const rotated = viewOf(crops, 96, GRADING_VIEWS[1]!);
 */
export function viewOf(
  crops: Uint16Array,
  size: number,
  { rotation, scale, shift }: GradingView,
): Uint16Array {
  if (rotation === 0 && scale === 1 && shift[0] === 0 && shift[1] === 0) return crops;
  const angle = (rotation * Math.PI) / 180;
  const [cosine, sine] = [Math.cos(angle) / scale, Math.sin(angle) / scale];
  const centre = (size - 1) / 2;
  const clamp = (value: number) => Math.min(size - 1, Math.max(0, value));
  const area = size * size;
  const view = new Uint16Array(crops.length);
  for (let pixel = 0; pixel < area; pixel++) {
    const [u, v] = [(pixel % size) - centre, Math.floor(pixel / size) - centre];
    const x = clamp(centre + cosine * u - sine * v - shift[0] * size);
    const y = clamp(centre + sine * u + cosine * v - shift[1] * size);
    const [left, top] = [Math.floor(x), Math.floor(y)];
    const [p, q] = [x - left, y - top];
    const [right, bottom] = [clamp(left + 1), clamp(top + 1)];
    for (let start = 0; start < crops.length; start += area) {
      const at = (column: number, row: number) => crops[start + row * size + column]!;
      const upper = (1 - p) * at(left, top) + p * at(right, top);
      const lower = (1 - p) * at(left, bottom) + p * at(right, bottom);
      view[start + pixel] = Math.round((1 - q) * upper + q * lower);
    }
  }
  return view;
}

/**
 * The first views.
 *
 * @throws SpinegradError ERR_ARGUMENT for another number than 1 to the number of GRADING_VIEWS
 */
export function firstViews(count: number): readonly GradingView[] {
  if (Number.isInteger(count) && count >= 1 && count <= GRADING_VIEWS.length)
    return GRADING_VIEWS.slice(0, count);
  throw new SpinegradError(
    'ERR_ARGUMENT',
    `grading views: expected a whole number from 1 to ${GRADING_VIEWS.length}, found ${count}`,
  );
}
