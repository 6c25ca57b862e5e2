/** The input of the report: fine-tuning curves, a training study per grade, and a few test series. */
import { basename } from 'node:path';
import { applyAffine, invertAffine } from '../data/affine.js';
import type { Bank } from '../data/bank.js';
import { centreOf } from '../data/manifest.js';
import type { SliceRecord } from '../data/types.js';
import type { Summary } from '../evaluation/types.js';
import type { FineTuningEpoch, PredictionExample, ReportInput, RoiExample } from '../report/types.js';
import type { Task } from '../tasks/task.js';
import type { Arm } from './arms.js';
import type { Evaluated } from './evaluateArms.js';
import type { FinetuningMetrics } from './finetune.js';
import { gradingErrors, localizationExamples, rowImage } from './reportErrors.js';
import type { EpochRow, Run } from './stage.js';

const SERIES_SHOWN = 3;

export function reportInput(
  run: Run,
  bank: Bank,
  summary: Summary,
  notice: string,
  evaluated: Evaluated,
  arms: readonly (Pick<Arm, 'name' | 'description'> & { rows: EpochRow<FinetuningMetrics>[] })[],
): ReportInput {
  const last = arms.at(-1)!.name;
  return {
    name: basename(run.dir),
    summary,
    notice,
    arms: arms.map(({ name, description }) => ({ name, description })),
    tasks: bank.manifest.tasks.map((task) => ({
      curves: arms.map(({ name, rows }) => ({ arm: name, epochs: epochsOf(task, rows) })),
      predictionExamples: predictionExamples(bank, evaluated, task, last),
      gradingErrors: gradingErrors(evaluated, task, last),
    })),
    roiExamples: roiExamples(bank),
    localizationExamples: localizationExamples(bank, evaluated),
    config: run.config,
  };
}

const epochsOf = ({ id }: Task, rows: readonly EpochRow<FinetuningMetrics>[]): FineTuningEpoch[] =>
  rows.map(({ epoch, trainLoss, validationTasks }) => {
    const { balancedAccuracy, recall } = validationTasks[id]!;
    return { epoch, trainLoss, validationBalancedAccuracy: balancedAccuracy, validationRecall: recall };
  });

/** For each grade the first training study with that grade that is not shown yet. */
function roiExamples({ manifest, rois, slices }: Bank): RoiExample[] {
  const shown = new Set<string>();
  return manifest.tasks[0]!.grades.flatMap((_, grade): RoiExample[] => {
    const example = manifest.slices.find(
      ({ studyId, series, split }) =>
        split === 'train' &&
        manifest.series.includes(series) &&
        !shown.has(studyId) &&
        manifest.rois.some(
          (roi) => roi.studyId === studyId && roi.sliceOffset === 0 && roi.grades[0] === grade,
        ),
    );
    if (!example) return [];
    shown.add(example.studyId);
    const toSlice = invertAffine(example.toImage);
    const discs = manifest.rois.filter((roi) => roi.studyId === example.studyId && roi.sliceOffset === 0);
    const [a, , , d] = discs[0]!.toImage;
    const [sa, , , sd] = example.toImage;
    return [
      {
        studyId: example.studyId,
        slice: rowImage(slices, manifest.sliceSize, example.row),
        roiSide: (manifest.roi.size * Math.hypot(a, d)) / Math.hypot(sa, sd),
        discs: discs.map((roi) => ({
          level: roi.level,
          centre: applyAffine(toSlice, roi.centrePx),
          grade: roi.grades[0] ?? null,
          roi: rowImage(rois, manifest.roi.size, roi.row),
        })),
      },
    ];
  });
}

/** Predictions of an arm for the test series with the highest grades. */
function predictionExamples(
  { manifest, slices }: Bank,
  { predictions, searched }: Evaluated,
  { id, levels }: Task,
  arm: string,
): PredictionExample[] {
  const lines = predictions.filter(
    (line) => line.task === id && line.arm === arm && line.crops === 'predicted',
  );
  const lineOf = ({ studyId }: SliceRecord, level: string) =>
    lines.find((line) => line.study === studyId && line.level === level);
  const severity = (record: SliceRecord) =>
    levels.reduce((sum, level) => sum + (lineOf(record, level)?.truth ?? 0), 0);
  return searched
    .map(({ record }) => ({ record, shown: levels.filter((level) => lineOf(record, level)) }))
    .filter(({ record, shown }) => manifest.series.includes(record.series) && shown.length > 0)
    .sort((p, q) => severity(q.record) - severity(p.record))
    .slice(0, SERIES_SHOWN)
    .map(({ record, shown }) => {
      const toSlice = invertAffine(record.toImage);
      return {
        studyId: record.studyId,
        slice: rowImage(slices, manifest.sliceSize, record.row),
        discs: shown.map((level) => {
          const { centre, truth, probabilities } = lineOf(record, level)!;
          return {
            level,
            truth: centreOf(record, level),
            predicted: applyAffine(toSlice, centre),
            truthGrade: truth,
            probabilities,
          };
        }),
      };
    });
}
