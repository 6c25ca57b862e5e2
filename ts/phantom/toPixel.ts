/** From points of the patient to pixels of the stored images. */
import { type AxialStudy, relativeTo } from './axial.js';
import type { PhantomStudy } from './study.js';

/** Column and row of the patient point (y, z) in the stored image; (0, 0) is the centre of the first pixel. */
export function toPixel(study: PhantomStudy, y: number, z: number): readonly [x: number, y: number] {
  const { acquisition: a } = study;
  const column = (y - a.y0) / a.spacing;
  return [a.mirrored ? a.columns - 1 - column : column, (a.z0 - z) / a.spacing];
}

/** Column and row of the patient point (x, y, z) in a stored axial image, projected onto its plane. */
export function toAxialPixel(
  study: AxialStudy,
  slice: number,
  x: number,
  { y, z }: { y: number; z: number },
): readonly [x: number, y: number] {
  const { acquisition: a, planes } = study;
  const { y: p } = relativeTo(planes[slice]!, { y, z, angle: 0 });
  return [(x - a.z0) / a.spacing + a.rows - 1, (p - a.y0) / a.spacing];
}
