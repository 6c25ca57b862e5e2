/**
 * Grading of the lumbar spine: DICOM files, datasets, tasks, networks, prediction and evaluation.
 *
 * @example
 * const device = await openDevice('cpu');
 * const { prediction } = await predict(device, { input: 'study/', model: 'runs/demo' });
 * for (const { level, grade } of prediction.levels) console.log(level, grade);
 */

export { type Affine, type Box, DISC_LEVELS, LEVELS, type Level, type Point } from './anatomy.js';
export { type Bank, type PrepareOptions, prepareBank, readBank } from './data/bank.js';
export { checkData, type DataCheck } from './data/check.js';
export { type DatasetOptions, readDataset } from './data/dataset.js';
export { type ImageSlice, type ImageStack, openImages } from './data/images.js';
export { type InputSeries, readInput } from './data/input.js';
export type {
  AnnotatedDisc,
  AnnotatedSeries,
  Dataset,
  DiscAnnotation,
  Layout,
  MaskAnnotation,
  Study,
} from './data/layouts/layout.js';
export type { SourceSlice } from './data/series.js';
export { type SplitSpec, splitOf } from './data/split.js';
export type { BankManifest, DiscOnSlice, RoiRecord, RoiSpec, SliceRecord, Split } from './data/types.js';
export { type CanonicalOrientation, canonicalOrientation, planeOf } from './dicom/geometry.js';
export { DicomPool, type DicomResult } from './dicom/pool.js';
export { parseDicom, parseHeader, readDicom, readHeader } from './dicom/read.js';
export { type FoundSeries, findSeries, type Series } from './dicom/series.js';
export type { DicomFrame, DicomHeader, DicomImage, Geometry, ReadOptions } from './dicom/types.js';
export { expectedCalibrationError } from './evaluation/calibration.js';
export { conformalMinimums, conformalSet } from './evaluation/conformal.js';
export { compareArms, evaluate } from './evaluation/evaluate.js';
export {
  auroc,
  averagePrecision,
  balancedAccuracy,
  cohenKappa,
  confusionMatrix,
  recallPerClass,
  weightedLogLoss,
} from './evaluation/metrics.js';
export { fitTemperature, scaleTemperature, TEMPERATURES } from './evaluation/temperatureScaling.js';
export type { ArmSummary, Comparison, Metrics, Predictions, Summary } from './evaluation/types.js';
export { loadModel, type Model } from './model/bundle.js';
export type { ModelDescription } from './model/description.js';
export { Grader, type GraderOptions } from './model/grader.js';
export { HEAD_NAMES, type HeadName } from './model/heads/names.js';
export {
  HeatmapLocalizer,
  type Localizer,
  MAPS,
  RegressionLocalizer,
} from './model/localizer.js';
export { LOCALIZER_KINDS } from './model/localizerKinds.js';
export { ProjectionHead } from './model/projection.js';
export { readModel } from './model/readModel.js';
export { type SaliencyMaps, type SaliencyOptions, saliency } from './model/saliency.js';
export { Temperature } from './model/temperature.js';
export { type GenerateOptions, generatePhantom } from './phantom/generate.js';
export { type LocatedTable, type LocateOptions, locateTable } from './predict/locateTable.js';
export { overlay } from './predict/overlay.js';
export { type PredictOptions, predict } from './predict/predict.js';
export { type PredictIntoOptions, predictInto } from './predict/predictInto.js';
export type { LevelPrediction, Prediction, TaskGrade } from './predict/prediction.js';
export { type FailedStudy, isFailed, predictMany, type StudyOutcome } from './predict/predictMany.js';
export { type LevelSaliency, saliencySheet } from './predict/saliency.js';
export { textOf } from './predict/text.js';
export { reportStudy } from './study/assemble.js';
export { type StudyStatus, studyStatus } from './study/status.js';
export { openStudy, type PlanRequest, readStudy } from './study/study.js';
export { type WorkerOptions, workOnStudy } from './study/worker.js';
export { DEFAULT_TASK, registerTask, taskIds, taskOf } from './tasks/index.js';
export type { Grade, GradeScale, Task, TaskSeries } from './tasks/task.js';
export type { Settings } from './training/config.js';
export { type EvaluateOptions, evaluateModel, type ModelEvaluation } from './training/evaluateModel.js';
export { evaluatePredictions, type PredictionsEvaluation } from './training/evaluatePredictions.js';
export type { Progress } from './training/progress.js';
export type { LogRow } from './training/runLog.js';
export { type TrainRunOptions, trainRun } from './training/trainRun.js';
