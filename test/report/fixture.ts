/** A simulated run: a drawing of a spine, simulated predictions and training curves. */
import { LEVELS } from '#spinegrad/anatomy.js';
import { evaluateTask } from '#spinegrad/evaluation/evaluateTask.js';
import {
  discErrors,
  type EvaluatedSlice,
  summariseLocalization,
} from '#spinegrad/evaluation/localization.js';
import type { Predictions, Summary, TaskSummary } from '#spinegrad/evaluation/types.js';
import { RandomStream } from '#spinegrad/random.js';
import type {
  FineTuningCurve,
  GradingError,
  LocalizationExample,
  PredictionExample,
  ReportImage,
  ReportInput,
  RoiExample,
  SaliencyExample,
  TaskFigures,
} from '#spinegrad/report/types.js';
import { DEFAULT_TASK, taskOf } from '#spinegrad/tasks/index.js';
import type { GradeScale, Task } from '#spinegrad/tasks/task.js';

const random = new RandomStream(1);
const uniform = () => random.uniform();
const ARMS = ['scratch', 'frozen', 'contrastive'] as const;

const canal = taskOf(DEFAULT_TASK);

const byGrade = <T>(grades: Task['grades'], value: (grade: number) => T): Record<string, T> =>
  Object.fromEntries(grades.map(({ name }, grade) => [name, value(grade)]));

const SIDE = 256;
const centreOf = (level: number): [number, number] => [
  118 + 14 * Math.sin((level - 1) / 1.6),
  40 + level * 42,
];

/** A drawing of a spine. */
const SLICE = draw();

function draw(): ReportImage {
  const pixels = new Uint16Array(SIDE * SIDE);
  for (let y = 0; y < SIDE; y++) {
    const level = (y - 40) / 42;
    const axis = 118 + 14 * Math.sin((level - 1) / 1.6);
    const inDisc = Math.abs(level - Math.round(level)) < 0.14;
    for (let x = 0; x < SIDE; x++) {
      const along = x - axis;
      let value = 0.25 + 0.1 * Math.sin(x / 9) * Math.sin(y / 13);
      if (Math.abs(along) < 28) value = inDisc ? 0.22 + 0.3 * Math.exp(-((along / 12) ** 2)) : 0.42;
      if (along > 32 && along < 48) value = 0.85;
      if (x < 12 || x > 240) value = 0.02;
      pixels[y * SIDE + x] = 65535 * Math.min(1, Math.max(0, value + 0.06 * (uniform() - 0.5)));
    }
  }
  return { pixels, width: SIDE, height: SIDE };
}

function crop({ pixels }: ReportImage, [cx, cy]: readonly [number, number], side: number): ReportImage {
  const out = new Uint16Array(side * side);
  for (let v = 0; v < side; v++) {
    for (let u = 0; u < side; u++) {
      out[v * side + u] = pixels[Math.round(cy - side / 2 + v) * SIDE + Math.round(cx - side / 2 + u)] ?? 0;
    }
  }
  return { pixels: out, width: side, height: side };
}

function roiExample(grade: number): RoiExample {
  const image = SLICE;
  const discs = LEVELS.map((level, i) => {
    const centre = centreOf(i);
    return {
      level,
      centre,
      grade: i === 3 ? grade : i === 0 ? null : 0,
      roi: crop(image, centre, 56),
    };
  });
  return { studyId: `10007${grade}`, slice: image, roiSide: 56, discs };
}

function predictionExample(studyId: string, { grades }: GradeScale): PredictionExample {
  const discs = LEVELS.map((level, i) => {
    const truth = centreOf(i);
    const truthGrade = Math.floor(uniform() * grades.length);
    const scores = grades.map((_, grade) => uniform() + (grade === truthGrade ? 0.8 : 0));
    const total = scores.reduce((sum, score) => sum + score, 0);
    const predicted: [number, number] = [
      truth[0] + 12 * (uniform() - 0.5),
      truth[1] + 12 * (uniform() - 0.5),
    ];
    return { level, truth, predicted, truthGrade, probabilities: scores.map((score) => score / total) };
  });
  return { studyId, slice: SLICE, discs };
}

function simulate(skill: number, { grades }: GradeScale): Predictions {
  const truths = new RandomStream(5);
  const predictions: Predictions = { studyId: [], level: [], truth: [], probabilities: [] };
  for (let i = 0; i < 200; i++) {
    const truth = truths.pick([0, 0, 0, ...grades.keys()]);
    const scores = grades.map((_, grade) => Math.exp(2 * uniform() + (grade === truth ? skill : 0)));
    const total = scores.reduce((sum, score) => sum + score, 0);
    predictions.studyId.push(String(1000 + Math.floor(i / 5)));
    predictions.level.push(LEVELS[i % 5]!);
    predictions.truth.push(truth);
    predictions.probabilities.push(scores.map((score) => score / total));
  }
  return predictions;
}

function curve(arm: (typeof ARMS)[number], top: number, { grades }: GradeScale): FineTuningCurve {
  const epochs = Array.from({ length: 37 }, (_, i) => {
    const rise = 1 - Math.exp(-(i + 1) / 8);
    const at = (level: number) => Math.min(1, Math.max(0, level * rise + 0.12 * (uniform() - 0.5)));
    const recalls = grades.map((_, grade) => at(top + [0.12, -0.15, 0.05][grade % 3]!));
    return {
      epoch: i + 1,
      trainLoss: 0.7 * Math.exp(-i / 12) + 0.05 * uniform(),
      validationBalancedAccuracy: recalls.reduce((sum, recall) => sum + recall, 0) / recalls.length,
      validationRecall: byGrade(grades, (grade) => recalls[grade]!),
    };
  });
  return { arm, epochs };
}

const SYMPTOMS = ['level uncertain'];

/** A slice on which the localizer is off by up to `noise` pixels; with `shift` it names each disc as its neighbour. */
function evaluatedSlice(index: number, noise: number, shift = 0): EvaluatedSlice {
  const off = () => noise * (uniform() - 0.5);
  const annotated = LEVELS.map((level, i) => ({ level, centre: centreOf(i) }));
  const found = annotated.slice(shift).map(({ centre: [x, y] }, i) => ({
    level: LEVELS[i]!,
    point: [x + off(), y + off()] as const,
    probability: 0.9,
    levelProbability: shift > 0 ? 0.4 : 0.95,
  }));
  const study = String(1000 + index);
  const image = `images/${study}.dcm`;
  const series = index % 4 === 3 ? 'Sagittal T1' : 'Sagittal T2';
  const doubts = shift > 0 ? SYMPTOMS : [];
  return {
    ...{ study, series, image, pixelSpacing: [0.58, 0.58], annotated, found, doubts },
  };
}

function localizationExample({
  study,
  series,
  annotated,
  found,
  doubts,
}: EvaluatedSlice): LocalizationExample {
  const discs = annotated.map(({ level, centre }) => {
    const point = found.find((disc) => disc.level === level)?.point ?? null;
    const errorMm = point && 0.58 * Math.hypot(point[0] - centre[0], point[1] - centre[1]);
    return { level, annotated: centre, found: point, errorMm };
  });
  return { studyId: study, series, slice: SLICE, doubts, discs };
}

function gradingErrors({ grades }: GradeScale): GradingError[] {
  return Array.from({ length: 8 }, (_, i) => {
    const level = i % LEVELS.length;
    const truth = grades.length - 1 - (i % 2);
    const rest = grades.map((_, grade) => (grade === 0 ? 0.8 : 0.2 / (grades.length - 1)));
    return {
      studyId: String(1000 + i),
      level: LEVELS[level]!,
      crop: crop(SLICE, centreOf(level), 56),
      truth: Math.max(1, truth),
      probabilities: rest,
      localizationMm: i === 2 ? null : i === 3 ? 9.4 : 1.2,
    };
  });
}

/** Maps with a maximum at the centre of the crop. */
function saliencyExamples({ grades }: GradeScale): TaskFigures['saliency'] {
  const map = Float32Array.from({ length: 56 * 56 }, (_, i) =>
    Math.exp(-(((i % 56) - 28) ** 2 + (Math.floor(i / 56) - 28) ** 2) / 200),
  );
  const example = (predicted: number, truth: number): SaliencyExample => ({
    studyId: String(2000 + predicted),
    level: LEVELS[predicted % LEVELS.length]!,
    crop: crop(SLICE, centreOf(predicted % LEVELS.length), 56),
    gradCam: map,
    gradient: map.map((value) => value ** 4),
    truth,
    probabilities: grades.map((_, grade) => (grade === predicted ? 0.9 : 0.1 / (grades.length - 1))),
  });
  return {
    right: grades.map((_, grade) => example(grade, grade)),
    wrong: grades.slice(1).map((_, grade) => example(grade, grade + 1)),
  };
}

/** With a calibration whose sets hold the two most probable grades. */
function withTrust(predictions: Predictions): Predictions {
  const trust = predictions.probabilities.map((row, disc) => ({
    temperature: 1.3,
    set: [...row.keys()]
      .sort((a, b) => row[b]! - row[a]!)
      .slice(0, 2)
      .sort(),
    setCoverage: 0.9,
    novelty: disc % 20 === 0 ? 1.2 : 0.6,
  }));
  return { ...predictions, trust };
}

function taskSummary(task: Task): TaskSummary {
  const skill = { scratch: 0.7, frozen: 1.1, contrastive: 1.7 };
  const counts = (n: number) => byGrade(task.grades, (grade) => (grade === 0 ? 6 * n : n));
  const arms = ARMS.map((name) => ({
    name,
    predicted: withTrust(simulate(skill[name] - 0.2, task)),
    annotated: simulate(skill[name], task),
  }));
  return {
    task,
    classCounts: { train: counts(84), validation: counts(12), test: counts(8) },
    ...evaluateTask(arms, task, { resamples: 200 }),
  };
}

const curves = (task: Task): FineTuningCurve[] => [
  curve('scratch', 0.6, task),
  curve('frozen', 0.68, task),
  curve('contrastive', 0.8, task),
];

/** The input of a report about one or more tasks. */
export function simulatedRun({ synthetic = true, name = 'demo', tasks = [canal] } = {}): ReportInput {
  const loss = (end: number) =>
    Array.from({ length: 60 }, (_, i) => end + 2.6 * Math.exp(-i / 14) + 0.08 * uniform());
  const slices = Array.from({ length: 20 }, (_, i) => evaluatedSlice(i, 9, i === 7 ? 1 : 0));
  const summary: Summary = {
    preset: 'demo',
    seed: 7,
    device: 'cpu',
    threads: 2,
    program: {
      version: '0.1.0',
      commit: 'a692774a692774a692774a692774a692774a6927',
      date: '2026-11-29T10:00:00.000Z',
    },
    data: {
      layout: synthetic ? 'rsna' : 'table',
      name: synthetic ? 'phantom' : 'clinic',
      series: ['Sagittal T2'],
      synthetic,
      studies: 200,
      discs: 980,
      skipped: [
        {
          path: 'train_images/1014/2',
          code: 'ERR_DICOM_TRUNCATED',
          message: 'pixel data ends early: found 4096 bytes',
        },
        { path: 'train_images/1015/1', code: 'ERR_SERIES_EMPTY', message: 'no slices' },
        { path: 'train_images/1016/1', code: 'ERR_SERIES_EMPTY', message: 'no slices' },
      ],
      notices: [{ path: '7/T2', code: 'ERR_SPACING_REPLACED', message: 'taken from the pitch' }],
      split: { train: 140, validation: 20, test: 40 },
    },
    pretraining: {
      epochs: 60,
      trainLoss: loss(1.1),
      validationLoss: loss(1.35),
      learningRate: Array.from(
        { length: 60 },
        (_, i) => (i < 5 ? (i + 1) / 5 : (1 + Math.cos((Math.PI * (i - 5)) / 55)) / 2) * 1e-3,
      ),
      alignment: loss(0.2),
      uniformity: loss(1).map((value) => -value),
      probes: [20, 40, 60].map((epoch) => ({ epoch, knn: 0.4 + epoch / 400, linear: 0.5 + epoch / 400 })),
    },
    localization: summariseLocalization(slices.flatMap(discErrors)),
    arms: ARMS.map((arm, i) => ({ name: arm, bestEpoch: [14, 33, 21][i]! })),
    tasks: tasks.map(taskSummary),
    rsna: null,
    timing: { phantom: 48.2, prepare: 12.7, pretrain: 221.4, localize: 61.3, finetune: 143.9, evaluate: 2.1 },
  };
  return {
    name,
    summary,
    notice: 'Terms of the data.',
    arms: ARMS.map((arm) => ({ name: arm, description: `description of ${arm}` })),
    tasks: tasks.map((task) => ({
      curves: curves(task),
      roiExamples: task === tasks[0] ? task.grades.map((_, grade) => roiExample(grade)) : [],
      predictionExamples: ['1003', '1011', '1027'].map((studyId) => predictionExample(studyId, task)),
      gradingErrors: gradingErrors(task),
      saliency: saliencyExamples(task),
    })),
    localizationExamples: [slices[7]!, slices[3]!, slices[0]!].map(localizationExample),
    config: {
      seed: 7,
      pretrain: { epochs: 60, temperature: 0.1, augment: { flip: false, blur: [0, 1.2] } },
      finetune: { gamma: 2 },
    },
  };
}
