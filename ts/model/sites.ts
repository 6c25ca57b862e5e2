/**
 * The sites of discs: the kinds of series and the sides on which they are graded, and how far these points are from the disc
 * that the localizer finds on the midline.
 */
import { z } from 'zod';
import { type PatientPoint, SIDES, type Side } from '../anatomy.js';

/** In mm; a body is smaller. */
const offset = z.number().min(-1000).max(1000);

export const siteSchema = z.object({
  /** Kind of series, as `TaskSeries.name`. */
  series: z.string(),
  /** Side of the patient; null for the disc itself. */
  side: z.enum(SIDES).nullable(),
  /** Ids of the tasks of which the training discs have grades here. */
  tasks: z.array(z.string()),
  /**
   * From the point of the disc on the midline slice to the site, in patient coordinates (LPS, mm): the mean over the training
   * discs. Null if the training data do not state it.
   */
  offsetMm: z.tuple([offset, offset, offset]).readonly().nullable(),
  /** Number of training discs of the mean. */
  discs: z.number().int().min(0),
});
export type Site = z.output<typeof siteSchema>;

/**
 * The offset of a site. A disc itself is at the same point of the patient on every series, so its offset is 0 unless it was
 * measured.
 *
 * @returns null if it is not known
 *
 * @example
 * offsetTo(description.sites, 'Sagittal T1', 'left'); // [19.6, 0.4, 0.6]
 */
export function offsetTo(
  sites: readonly Pick<Site, 'series' | 'side' | 'offsetMm'>[],
  series: string,
  side: Side | null,
): PatientPoint | null {
  const site = sites.find((item) => item.series === series && item.side === side);
  if (site !== undefined) return site.offsetMm;
  return side === null ? [0, 0, 0] : null;
}
