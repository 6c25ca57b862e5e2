/** The slices of a report with the discs of a task: training studies with their crops, and test studies with predictions. */
import type { Level, PatientPoint, Point } from '../anatomy.js';
import { applyAffine, invertAffine } from '../data/affine.js';
import type { Bank } from '../data/bank.js';
import { pixelOfPatient } from '../data/roi.js';
import type { BankManifest, RoiRecord, SliceRecord } from '../data/types.js';
import type { PredictionExample, RoiExample } from '../report/types.js';
import type { Task } from '../tasks/task.js';
import type { Evaluated } from './evaluateArms.js';
import { rowImage } from './reportErrors.js';

const SERIES_SHOWN = 3;

/** A point of an image: its series, and its place there and in the patient. */
interface ImagePoint {
  seriesId: string;
  px: Point;
  mm: PatientPoint | null;
}

/** A point on a letterboxed slice. A point of another series is projected; null if its place in the patient is not known. */
function onSlice(slice: SliceRecord, { seriesId, px, mm }: ImagePoint): Point | null {
  const image = seriesId === slice.seriesId ? px : mm && pixelOfPatient(slice, mm);
  return image && applyAffine(invertAffine(slice.toImage), image);
}

/** The slice on which the discs of a series are shown: that of the series, else that of the midline. */
function sliceOf(slices: readonly SliceRecord[], { studyId, seriesId }: RoiRecord): SliceRecord | undefined {
  const ofStudy = slices.filter((slice) => slice.studyId === studyId);
  return ofStudy.find((slice) => slice.seriesId === seriesId) ?? ofStudy.find(({ side }) => side === null);
}

/** The annotated rows of the discs that have a grade of a task: of each disc that of its first series. */
function gradedRecords({ rois, series }: BankManifest, task: number): RoiRecord[] {
  const first = new Map<number, RoiRecord>();
  for (const roi of rois) {
    if (roi.sliceOffset !== 0 || (roi.grades[task] ?? null) === null) continue;
    const known = first.get(roi.disc);
    if (!known || series.indexOf(roi.series) < series.indexOf(known.series)) first.set(roi.disc, roi);
  }
  return [...first.values()];
}

/** Whether an earlier task of the bank is graded on the same crops. */
export const hasEarlierCrops = (tasks: readonly Task[], index: number): boolean =>
  tasks
    .slice(0, index)
    .some(
      ({ series, side }) => side === tasks[index]!.side && series[0]!.name === tasks[index]!.series[0]!.name,
    );

/** For each grade of a task the first training study with that grade that is not shown yet. */
export function roiExamples({ manifest, rois, slices }: Bank, task: number): RoiExample[] {
  const graded = gradedRecords(manifest, task).filter(({ split }) => split === 'train');
  const shown = new Set<string>();
  return manifest.tasks[task]!.grades.flatMap((_, grade): RoiExample[] => {
    const example = graded.find(
      (roi) =>
        roi.grades[task] === grade && !shown.has(roi.studyId) && sliceOf(manifest.slices, roi) !== undefined,
    );
    if (!example) return [];
    shown.add(example.studyId);
    const slice = sliceOf(manifest.slices, example)!;
    const [a, , , d] = example.toImage;
    const [sa, , , sd] = slice.toImage;
    return [
      {
        studyId: example.studyId,
        slice: rowImage(slices, manifest.sliceSize, slice.row),
        roiSide:
          example.seriesId === slice.seriesId
            ? (manifest.roi.size * Math.hypot(a, d)) / Math.hypot(sa, sd)
            : null,
        discs: graded
          .filter(({ studyId }) => studyId === example.studyId)
          .map(({ level, grades, seriesId, centrePx, centreMm, row }) => ({
            level,
            centre: onSlice(slice, { seriesId, px: centrePx, mm: centreMm }),
            grade: grades[task]!,
            roi: rowImage(rois, manifest.roi.size, row),
          })),
      },
    ];
  });
}

/** Predictions of an arm for the test studies with the highest grades of a task. */
export function predictionExamples(
  { manifest, slices }: Bank,
  { predictions, test }: Pick<Evaluated, 'predictions' | 'test'>,
  task: number,
  arm: string,
): PredictionExample[] {
  const { id, levels } = manifest.tasks[task]!;
  const discs = test.discs.filter(({ disc }) => disc.grades[task] !== null);
  const lineOf = new Map(
    predictions
      .filter((line) => line.task === id && line.arm === arm && line.crops === 'predicted')
      .map(({ study, level, probabilities }) => [JSON.stringify([study, level]), probabilities]),
  );
  const rank = (level: Level) => levels.indexOf(level);
  return [...new Set(discs.map(({ disc }) => disc.studyId))]
    .map((studyId) => {
      const shown = discs
        .filter(({ disc }) => disc.studyId === studyId)
        .sort((p, q) => rank(p.disc.level) - rank(q.disc.level));
      const severity = shown.reduce((sum, { disc }) => sum + disc.grades[task]!, 0);
      return { studyId, shown, severity, slice: sliceOf(manifest.slices, shown[0]!.record) };
    })
    .sort((p, q) => q.severity - p.severity)
    .flatMap(({ studyId, shown, slice }) => {
      if (slice === undefined) return [];
      const example: PredictionExample = {
        studyId,
        slice: rowImage(slices, manifest.sliceSize, slice.row),
        discs: shown.map(({ disc, record, centre, centreMm }) => {
          const { seriesId, centrePx } = record;
          return {
            level: disc.level,
            truth: onSlice(slice, { seriesId, px: centrePx, mm: record.centreMm }),
            predicted: onSlice(slice, { seriesId, px: centre, mm: centreMm }),
            truthGrade: disc.grades[task]!,
            probabilities: lineOf.get(JSON.stringify([studyId, disc.level]))!,
          };
        }),
      };
      return [example];
    })
    .slice(0, SERIES_SHOWN);
}
