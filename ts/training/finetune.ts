/**
 * Fine-tuning, the algorithm box:
 *
 *   for each batch of discs with a grade of at least one task:
 *     one view of each disc: augmented crops of the annotated slice or a neighbour, of one series or of several
 *     logits of each task = its head(dropout(encoder(view)))
 *     loss = sum over the tasks of the head's loss(logits, grades), over the discs that have a grade of the task
 *
 * The arms (arms.ts) share the discs, their order, the augmentation, the first weights of the heads and the losses; also
 * the learning rate and the number of steps, except where `finetuning.arms` or a long arm changes them. The epoch with the
 * best balanced accuracy on the validation patients is kept, the mean over the tasks; ties go to the lower validation loss.
 */
import { z } from 'zod';
import { argmax, balancedAccuracy, confusionMatrix, recallPerClass } from '../evaluation/metrics.js';
import { batches } from '../model/batches.js';
import { type DiscEncoder, newDiscEncoder } from '../model/fusion/encoder.js';
import type { FusionSpec } from '../model/fusion/spec.js';
import { GRADING_BATCH, gradeViews } from '../model/grade.js';
import { Grader } from '../model/grader.js';
import type { Values } from '../nn/values.js';
import { RandomStream } from '../random.js';
import type { Task } from '../tasks/task.js';
import { armSettings, countTraining } from './armSettings.js';
import type { Arm, EncoderRates, EncoderSource } from './arms.js';
import { estimateNorms } from './estimateNorms.js';
import { decayGroups, differentialGroups } from './groups.js';
import type { Disc, RoiDataset } from './roiDataset.js';
import { resnetOptions } from './settings/encoder.js';
import { type Run, runStage, type Stage, type StageResult } from './stage.js';
import { taskHeads } from './taskHeads.js';

const PURPOSE = { encoder: 100, head: 201, order: 202, slice: 203, views: 204, dropout: 205 };

const metrics = z.object({
  /** Mean over the tasks. */
  validationLoss: z.number(),
  validationBalancedAccuracy: z.number(),
  /** By task id. */
  validationTasks: z.record(
    z.string(),
    z.object({
      /** Mean negative log-likelihood of the grade. */
      loss: z.number(),
      balancedAccuracy: z.number(),
      /** By the grade's name; null without a validation disc. */
      recall: z.record(z.string(), z.number().nullable()),
    }),
  ),
});

export type FinetuningMetrics = z.output<typeof metrics>;

/** The encoder before training: the first weights of pretraining and of the arms with a random encoder. */
export function newEncoder(
  { config, device }: Pick<Run, 'config' | 'device'>,
  spec: FusionSpec,
): DiscEncoder {
  const build = { device, random: new RandomStream(config.seed, PURPOSE.encoder) };
  return newDiscEncoder(build, resnetOptions(config.encoder), spec);
}

/** The first weights of the encoders that are not random. */
export type EncoderWeights = Partial<Record<Exclude<EncoderSource, 'random'>, Values>>;

/** Trains the grader of an arm. */
export async function finetune(
  run: Run,
  discs: RoiDataset,
  arm: Arm,
  weights: EncoderWeights,
): Promise<StageResult<FinetuningMetrics> & { grader: Grader }> {
  const encoder = newEncoder(run, discs.input.spec);
  if (arm.encoder !== 'random') encoder.load(weights[arm.encoder]!, `the ${arm.encoder} encoder`);
  else if (arm.rates === null) await estimateNorms(encoder, discs, run.config.finetuning.batch);
  const build = { device: run.device, random: new RandomStream(run.config.seed, PURPOSE.head) };
  const heads = taskHeads(run.config.finetuning, discs.tasks, 'settings');
  const grader = new Grader(build, encoder, { heads, frozen: arm.rates === null });
  return { ...(await runStage(run, finetuning(run, discs, arm, grader))), grader };
}

export function finetuning(
  { config }: Pick<Run, 'config'>,
  discs: RoiDataset,
  arm: Arm,
  grader: Grader,
): Stage<Disc, FinetuningMetrics> {
  const { settings } = armSettings(config, countTraining(discs), arm);
  const { tasks } = discs;
  const items = discs.graded('train');
  const validated = discs.graded('validation');
  const rates: Partial<Record<string, EncoderRates>> = settings.rates;
  const armRates = rates[arm.name];
  const lossOptions = tasks.map(({ grades }, task) => ({
    gamma: settings.gamma,
    labelSmoothing: settings.labelSmoothing,
    weighting: settings.alpha,
    counts: grades.map((_, grade) => items.filter((disc) => disc.grades[task] === grade).length),
  }));

  return {
    name: `finetuning-${arm.name}`,
    settings,
    modules: { grader },
    groups: armRates
      ? differentialGroups({ grader }, settings, armRates)
      : decayGroups({ heads: grader.heads }, settings),
    items,
    batchSize: settings.batch,
    orderPurpose: PURPOSE.order,
    ema: settings.ema,
    ...(settings.sampling === 'balanced'
      ? { draw: (random: RandomStream) => balancedDraw(items, tasks[0]!, random) }
      : {}),
    metrics,

    lossOf(batch, keys) {
      const random = keys.stream(PURPOSE.slice);
      const choose = settings.neighbours ? (rows: readonly number[]) => random.pick(rows) : undefined;
      const slots = batch.map((disc) => discs.slots(disc, choose));
      const views = discs.views(slots, keys.device(PURPOSE.views));
      const logits = grader.forward(views, { p: settings.dropout, ...keys.device(PURPOSE.dropout) });
      return grader.loss(
        logits,
        batch.map(({ grades }) => grades),
        lossOptions,
      );
    },

    async validate() {
      const probabilities = await gradeViews(
        grader,
        batches(validated, GRADING_BATCH).map(
          (batch) => () => discs.plain(batch.map((disc) => discs.slots(disc))),
        ),
      );
      const results = tasks.map((task, index) => validation(task, index, validated, probabilities[index]!));
      return {
        validationLoss: mean(results.map(({ loss }) => loss)),
        validationBalancedAccuracy: mean(results.map(({ balancedAccuracy }) => balancedAccuracy)),
        validationTasks: Object.fromEntries(tasks.map(({ id }, index) => [id, results[index]!])),
      };
    },

    better: (row, best) =>
      row.validationBalancedAccuracy > best.validationBalancedAccuracy ||
      (row.validationBalancedAccuracy === best.validationBalancedAccuracy &&
        row.validationLoss < best.validationLoss),
  };
}

/** The metrics of one task on the discs that have a grade of it. */
function validation(
  { grades }: Task,
  index: number,
  discs: readonly Disc[],
  probabilities: readonly number[][],
): FinetuningMetrics['validationTasks'][string] {
  const graded = discs.flatMap((disc, row) => {
    const grade = disc.grades[index]!;
    return grade === null ? [] : [{ grade, probabilities: probabilities[row]! }];
  });
  const truth = graded.map(({ grade }) => grade);
  const predicted = graded.map((disc) => argmax(disc.probabilities));
  const confusion = confusionMatrix(truth, predicted, grades.length);
  const recall = recallPerClass(confusion);
  return {
    loss: mean(graded.map((disc) => -Math.log(Math.max(disc.probabilities[disc.grade]!, 1e-12)))),
    balancedAccuracy: balancedAccuracy(confusion),
    recall: Object.fromEntries(grades.map(({ name }, grade) => [name, recall[grade] ?? null])),
  };
}

const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b) / values.length;

/** As many draws as there are discs: a grade that occurs, then a disc of that grade, both uniformly. */
function balancedDraw(discs: readonly Disc[], { grades }: Task, random: RandomStream): Disc[] {
  const groups = grades
    .map((_, grade) => discs.filter((disc) => disc.grades[0] === grade))
    .filter((group) => group.length > 0);
  return discs.map(() => random.pick(random.pick(groups)));
}
