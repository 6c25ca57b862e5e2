/** Cuts one study: the ROIs of its discs, and one letterboxed slice per sagittal series for the localizer. */
import type { AnnotatedDisc, AnnotatedSeries, Study } from './layouts/layout.js';
import { type CutRoi, type CutSlice, type CutSpec, type Reports, SeriesCutter } from './seriesCutter.js';

export interface CutStudy extends Reports {
  studyId: string;
  /**
   * ROIs per disc, by series in the order of `CutSpec.crops`; the first one of a series is on the slice on which the disc is marked, or the nearest one.
   */
  discs: CutRoi[][];
  /** At most one per sagittal series. */
  slices: CutSlice[];
}

/**
 * Cuts a study. Invalid files are listed in `skipped`; they do not reject.
 *
 * @param beforeRead as in `openImages`
 */
export async function cutStudy(
  study: Study,
  spec: CutSpec,
  beforeRead: (path: string) => void,
): Promise<CutStudy> {
  const { studyId } = study;
  const reports: Reports = { skipped: [], notices: [] };
  const rank = ({ series }: AnnotatedSeries) =>
    spec.crops.includes(series) ? spec.crops.indexOf(series) : spec.crops.length;
  const cutters = study.series
    .toSorted((a, b) => rank(a) - rank(b))
    .map((item) => new SeriesCutter(studyId, item, spec, beforeRead, reports));
  const rois = new Map<string, CutRoi[]>();
  const slices: CutSlice[] = [];
  const add = (disc: AnnotatedDisc, cut: readonly CutRoi[]) => {
    if (cut.length > 0) rois.set(keyOf(disc), [...(rois.get(keyOf(disc)) ?? []), ...cut]);
    return cut.length > 0;
  };
  for (const cutter of cutters) {
    await cutter.open();
    const used: AnnotatedDisc[] = [];
    for (const disc of cutter.discs) {
      if (!cutter.isCropped || add(disc, await cutter.cutDisc(disc))) used.push(disc);
    }
    const slice = await cutter.cutSlice(used);
    if (slice !== null) slices.push(slice);
  }
  if (spec.everySeries) {
    for (const target of cutters.filter(({ isCropped }) => isCropped)) {
      for (const [disc, source] of discsOfOthers(cutters, target)) {
        const point = await source.patientCentre(disc);
        if (point !== null) add(disc, await target.cutPlaced(disc, point));
      }
    }
  }
  const grades = gradesOf(cutters);
  const discs = [...rois].map(([key, cut]) => cut.map((roi) => ({ ...roi, grades: grades.get(key)! })));
  return { studyId, discs, slices, ...reports };
}

const keyOf = ({ level, side }: AnnotatedDisc): string => `${level} ${side}`;

/** The grades of each disc: per task the first one of any series. */
function gradesOf(cutters: readonly SeriesCutter[]): Map<string, AnnotatedDisc['grades']> {
  const grades = new Map<string, AnnotatedDisc['grades']>();
  for (const disc of cutters.flatMap(({ discs }) => discs)) {
    const known = grades.get(keyOf(disc)) ?? [];
    grades.set(
      keyOf(disc),
      disc.grades.map((grade, task) => known[task] ?? grade),
    );
  }
  return grades;
}

/** The discs that are not marked on a series, each with the first series on which it is. */
function discsOfOthers(
  cutters: readonly SeriesCutter[],
  target: SeriesCutter,
): [AnnotatedDisc, SeriesCutter][] {
  const seen = new Set(target.discs.map(keyOf));
  return cutters.flatMap((source) =>
    source.discs.flatMap((disc): [AnnotatedDisc, SeriesCutter][] => {
      if (seen.has(keyOf(disc))) return [];
      seen.add(keyOf(disc));
      return [[disc, source]];
    }),
  );
}
