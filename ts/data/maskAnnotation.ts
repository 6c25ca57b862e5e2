/** Turns the mask of a series into marked discs. */
import type { Geometry, Vector3 } from '../dicom/types.js';
import { SpinegradError } from '../error.js';
import { type ImageSlice, openImages } from './images.js';
import type { AnnotatedDisc, DiscAnnotation, MaskAnnotation } from './layouts/layout.js';
import { discsFromMask } from './mask.js';
import type { SourceSlice } from './series.js';

/**
 * Reads a mask and finds its discs.
 *
 * @param path of the mask
 * @param stack images of the series; the mask has the same grid
 * @param tasks number of tasks
 * @returns the annotation, the levels that have grades but no disc in the mask, and those that have a disc but no grades
 * @throws SpinegradError of `openImages` and `discsFromMask`; ERR_MASK if the mask does not fit the images
 */
export async function annotationFromMask(
  path: string,
  { grades }: MaskAnnotation,
  stack: readonly ImageSlice[],
  tasks: number,
): Promise<{ annotation: DiscAnnotation; missing: string[]; ungraded: string[] }> {
  const mask: SourceSlice[] = [];
  for (const entry of (await openImages(path)).slices) mask.push(await entry.read());
  const { slice, discs: found } = discsFromMask(mask);
  const number = slice.instanceNumber ?? 1;
  const image = await stack.find(({ instanceNumber }) => instanceNumber === number)?.read();
  const size = (item: Pick<SourceSlice, 'columns' | 'rows'>, slices: number) =>
    `${item.columns} x ${item.rows} pixels in ${slices} slices`;
  const [maskSize, imageSize] = [size(slice, mask.length), image && size(image, stack.length)];
  if (maskSize !== imageSize) {
    throw new SpinegradError(
      'ERR_MASK',
      `${path}: found a mask of ${maskSize}, expected ${imageSize ?? `${stack.length} slices`} as in ${stack[0]?.path}`,
    );
  }
  if (!agree(slice.geometry, image?.geometry ?? null)) {
    throw new SpinegradError(
      'ERR_MASK',
      `${path}: found a mask that is elsewhere in the patient than ${image?.path}, expected the same directions and ` +
        'position; resample the mask to the image',
    );
  }
  const none: AnnotatedDisc['grades'] = Array.from({ length: tasks }, () => null);
  const discs = found.toReversed().map(
    ({ level, centre, box }): AnnotatedDisc => ({
      level,
      side: null,
      grades: grades[level] ?? none,
      slice: number,
      centre,
      box,
    }),
  );
  const missing = Object.entries(grades)
    .filter(([, values]) => values.some((grade) => grade !== null))
    .map(([level]) => level)
    .filter((level) => !discs.some((disc) => disc.level === level));
  const ungraded = discs.map(({ level }) => level).filter((level) => grades[level] === undefined);
  return { annotation: { kind: 'discs', discs, complete: true, found: false }, missing, ungraded };
}

/** Whether two slices of one size show the same part of the patient, within 10 mm. True without geometry. */
function agree(a: Geometry | null, b: Geometry | null): boolean {
  if (a === null || b === null) return true;
  const dot = (p: Vector3, q: Vector3) => p[0] * q[0] + p[1] * q[1] + p[2] * q[2];
  const distance = Math.hypot(...a.position.map((x, i) => x - b.position[i]!));
  const cosines = [dot(a.rowDirection, b.rowDirection), dot(a.columnDirection, b.columnDirection)];
  return distance < 10 && Math.min(...cosines) > 0.98;
}
