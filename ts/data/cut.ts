/** Cuts one study: the ROIs of its discs, and one letterboxed slice per sagittal series for the localizer. */

import type { CutSpec } from './cutSpec.js';
import type { AnnotatedDisc, AnnotatedSeries, Study } from './layouts/layout.js';
import type { Reports } from './reports.js';
import { type CutRoi, type CutSlice, SeriesCutter } from './seriesCutter.js';

export interface CutStudy extends Reports {
  studyId: string;
  /** Of its images, by `identitiesOf`. */
  identities: string[];
  /**
   * ROIs per disc, by series in the order of `CutSpec.crops`. The first ROI of a series is on the slice on which the disc is
   * marked, or on the nearest one.
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
  const keyOf = keyFor(spec);
  const add = (disc: AnnotatedDisc, source: SeriesCutter, cut: readonly CutRoi[]) => {
    const key = keyOf(disc, source);
    if (cut.length > 0) rois.set(key, [...(rois.get(key) ?? []), ...cut]);
    return cut.length > 0;
  };
  const hasMidline = study.series.some((item) => marksMidline(item, spec));
  for (const cutter of cutters) {
    await cutter.open();
    const used: AnnotatedDisc[] = [];
    for (const disc of cutter.discs) {
      const isCropped = cutter.isCropped && spec.sides.includes(disc.side);
      if (!isCropped || add(disc, cutter, await cutter.cutDisc(disc))) used.push(disc);
    }
    // The sides are marked on other slices than the midline, so the localizer learns one of them.
    const slice = await cutter.cutSlice(hasMidline ? used.filter(({ side }) => side === null) : used);
    if (slice !== null) slices.push(slice);
  }
  if (spec.everySeries) {
    for (const target of cutters.filter(({ isCropped }) => isCropped)) {
      for (const [disc, source] of discsOfOthers(cutters, target, spec)) {
        const point = await source.patientCentre(disc);
        if (point !== null) add(disc, source, await target.cutPlaced(disc, point));
      }
    }
  }
  const grades = gradesOf(cutters, keyOf);
  const discs = [...rois].map(([key, cut]) => cut.map((roi) => ({ ...roi, grades: grades.get(key)! })));
  const identities = [...new Set(cutters.flatMap((cutter) => cutter.identities))];
  return { studyId, identities, discs, slices, ...reports };
}

type KeyOf = (disc: AnnotatedDisc, cutter: SeriesCutter) => string;

/**
 * Rows of one key are one disc. If every disc is cut from every series, or if it has no side, the level and the side identify
 * it. Else the sides of different kinds of series are different parts of the body, such as foramen and lateral recess.
 */
const keyFor =
  ({ everySeries }: CutSpec): KeyOf =>
  ({ level, side }, { kind }) =>
    everySeries || side === null ? `${level} ${side}` : `${level} ${side} ${kind}`;

/** Whether a sagittal series marks discs without a side. */
const marksMidline = ({ series, annotation }: AnnotatedSeries, { planes }: CutSpec): boolean =>
  planes[series] !== 'axial' &&
  (annotation.kind === 'mask' || annotation.discs.some(({ side }) => side === null));

/** The grades of each disc: per task the first one of any series. */
function gradesOf(cutters: readonly SeriesCutter[], keyOf: KeyOf): Map<string, AnnotatedDisc['grades']> {
  const grades = new Map<string, AnnotatedDisc['grades']>();
  for (const cutter of cutters) {
    for (const disc of cutter.discs) {
      const key = keyOf(disc, cutter);
      const known = grades.get(key) ?? [];
      grades.set(
        key,
        disc.grades.map((grade, task) => known[task] ?? grade),
      );
    }
  }
  return grades;
}

/** The discs that are not marked on a series, each with the first series on which it is. */
function discsOfOthers(
  cutters: readonly SeriesCutter[],
  target: SeriesCutter,
  spec: CutSpec,
): [AnnotatedDisc, SeriesCutter][] {
  const keyOf = keyFor(spec);
  const seen = new Set(target.discs.map((disc) => keyOf(disc, target)));
  return cutters.flatMap((source) =>
    source.discs.flatMap((disc): [AnnotatedDisc, SeriesCutter][] => {
      const key = keyOf(disc, source);
      if (seen.has(key) || !spec.sides.includes(disc.side)) return [];
      seen.add(key);
      return [[disc, source]];
    }),
  );
}
