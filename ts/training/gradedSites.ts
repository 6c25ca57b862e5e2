/** The sites of the training discs, with their offsets from the points on the midline slices. */
import { type PatientPoint, SIDES } from '../anatomy.js';
import { applyAffine } from '../data/affine.js';
import { centreOf } from '../data/manifest.js';
import { pointInPatient } from '../data/roi.js';
import type { BankManifest, RoiRecord, SliceRecord } from '../data/types.js';
import type { Site } from '../model/sites.js';
import type { RoiDataset } from './roiDataset.js';

interface Samples {
  site: Pick<Site, 'series' | 'side'>;
  tasks: Set<string>;
  offsets: PatientPoint[];
}

/**
 * The sites at which training discs are graded: without fusion that of the first series of a disc, else those of all its
 * series. On the series of the midline slice, a disc without a side is where it is found.
 *
 * @returns by series in the order of the bank, then by side
 */
export function gradedSites(
  { rois, slices, series }: Pick<BankManifest, 'rois' | 'slices' | 'series'>,
  dataset: Pick<RoiDataset, 'of' | 'tasks' | 'input'>,
): Site[] {
  const midlines = new Map<string, SliceRecord>();
  for (const slice of slices) {
    if (slice.side === null && !midlines.has(slice.studyId)) midlines.set(slice.studyId, slice);
  }
  const sites = new Map<string, Samples>();
  for (const disc of dataset.of('train')) {
    const shown = dataset.input.spec.fusion === 'none' ? disc.series.slice(0, 1) : disc.series;
    for (const { row } of shown) {
      const record = rois[row]!;
      const key = JSON.stringify([record.series, record.side]);
      const samples: Samples = sites.get(key) ?? { site: record, tasks: new Set(), offsets: [] };
      sites.set(key, samples);
      disc.grades.forEach((grade, task) => {
        if (grade !== null) samples.tasks.add(dataset.tasks[task]!.id);
      });
      const midline = midlines.get(disc.studyId);
      const offset = midline && offsetFrom(midline, record);
      if (offset) samples.offsets.push(offset);
    }
  }
  const rank = ({ series: name, side }: Site): number =>
    series.indexOf(name) * (SIDES.length + 1) + (side === null ? 0 : 1 + SIDES.indexOf(side));
  const ids = dataset.tasks.map(({ id }) => id);
  return [...sites.values()].map((samples) => siteOf(samples, ids)).sort((a, b) => rank(a) - rank(b));
}

/** From the point of the disc on the midline slice to its annotated point; null on the same series, and without both. */
function offsetFrom(
  midline: SliceRecord,
  { seriesId, side, level, centreMm }: RoiRecord,
): PatientPoint | null {
  if (seriesId === midline.seriesId && side === null) return null;
  const centre = centreOf(midline, level);
  const from = centre && pointInPatient(midline, applyAffine(midline.toImage, centre));
  if (from === null || centreMm === null) return null;
  return [centreMm[0] - from[0], centreMm[1] - from[1], centreMm[2] - from[2]];
}

function siteOf({ site: { series, side }, tasks, offsets }: Samples, ids: readonly string[]): Site {
  const mean = (axis: 0 | 1 | 2) => offsets.reduce((sum, offset) => sum + offset[axis], 0) / offsets.length;
  const measured: PatientPoint | null = offsets.length > 0 ? [mean(0), mean(1), mean(2)] : null;
  return {
    series,
    side,
    tasks: ids.filter((id) => tasks.has(id)),
    offsetMm: measured ?? (side === null ? [0, 0, 0] : null),
    discs: offsets.length,
  };
}
