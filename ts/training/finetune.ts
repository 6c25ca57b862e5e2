/**
 * Fine-tuning, the algorithm box:
 *
 *   for each batch of graded discs:
 *     one augmented view of each disc (the annotated slice or a neighbour)
 *     logits = head(dropout(encoder(view)))
 *     loss = the head's loss(logits, grade)
 *
 * The arms (arms.ts) share the discs, their order, the augmentation, the first weights of the head, the loss and the
 * number of steps. The epoch with the best balanced accuracy on the validation patients is kept; ties go to the lower
 * validation loss.
 */
import { z } from 'zod';
import { argmax, balancedAccuracy, confusionMatrix, recallPerClass } from '../evaluation/metrics.js';
import { batches } from '../model/batches.js';
import { GRADING_BATCH, gradeViews } from '../model/grade.js';
import { Grader } from '../model/grader.js';
import { ResNet } from '../nn/resnet.js';
import type { Values } from '../nn/values.js';
import { RandomStream } from '../random.js';
import type { Arm, EncoderRates } from './arms.js';
import { decayGroups, differentialGroups } from './groups.js';
import type { GradedDisc, RoiDataset } from './roiDataset.js';
import { type Run, runStage, type Stage, type StageResult } from './stage.js';

const PURPOSE = { encoder: 100, head: 201, order: 202, slice: 203, views: 204, dropout: 205 };

const metrics = z.object({
  /** Mean negative log-likelihood of the grade. */
  validationLoss: z.number(),
  validationBalancedAccuracy: z.number(),
  /** Null for a grade without a validation disc. */
  validationRecall: z.record(z.string(), z.number().nullable()),
});

export type FinetuningMetrics = z.output<typeof metrics>;

/** The encoder before training: the first weights of pretraining and of the arms with a random encoder. */
export function newEncoder({ config, device }: Pick<Run, 'config' | 'device'>): ResNet {
  return new ResNet({ device, random: new RandomStream(config.seed, PURPOSE.encoder) }, config.encoder);
}

/** Trains the grader of an arm. */
export async function finetune(
  run: Run,
  discs: RoiDataset,
  arm: Arm,
  pretrained: Values,
): Promise<StageResult<FinetuningMetrics> & { grader: Grader }> {
  const encoder = newEncoder(run);
  if (arm.encoder === 'pretrained') encoder.load(pretrained, 'the pretrained encoder');
  const build = { device: run.device, random: new RandomStream(run.config.seed, PURPOSE.head) };
  const grades = discs.task.grades.length;
  const grader = new Grader(build, encoder, {
    grades,
    head: run.config.finetuning.head,
    frozen: arm.rates === null,
  });
  return { ...(await runStage(run, finetuning(run, discs, arm, grader))), grader };
}

export function finetuning(
  { config }: Pick<Run, 'config'>,
  discs: RoiDataset,
  arm: Arm,
  grader: Grader,
): Stage<GradedDisc, FinetuningMetrics> {
  const { finetuning: settings } = config;
  const { grades } = discs.task;
  const items = discs.graded('train');
  const validated = discs.graded('validation');
  const rates: Partial<Record<string, EncoderRates>> = settings.rates;
  const armRates = rates[arm.name];
  const lossOptions = {
    gamma: settings.gamma,
    labelSmoothing: settings.labelSmoothing,
    weighting: settings.alpha,
    counts: byGrade(items, grades.length).map((group) => group.length),
  };

  return {
    name: `finetuning-${arm.name}`,
    settings,
    modules: { grader },
    groups: armRates
      ? differentialGroups({ grader }, settings, armRates)
      : decayGroups({ head: grader.head }, settings),
    items,
    batchSize: settings.batch,
    orderPurpose: PURPOSE.order,
    ...(settings.sampling === 'balanced'
      ? { draw: (random: RandomStream) => balancedDraw(items, grades.length, random) }
      : {}),
    metrics,

    lossOf(batch, keys) {
      const random = keys.stream(PURPOSE.slice);
      const rows = batch.map((disc) => (settings.neighbours ? random.pick(disc.rows) : disc.row));
      const views = discs.views(rows, keys.device(PURPOSE.views));
      const logits = grader.forward(views, { p: settings.dropout, ...keys.device(PURPOSE.dropout) });
      return grader.loss(
        logits,
        batch.map(({ grade }) => grade),
        lossOptions,
      );
    },

    async validate() {
      const rows = batches(validated, GRADING_BATCH).map((batch) => batch.map(({ row }) => row));
      const probabilities = await gradeViews(
        grader,
        rows.map((batch) => () => discs.plain(batch)),
      );
      const truth = validated.map(({ grade }) => grade);
      const confusion = confusionMatrix(truth, probabilities.map(argmax), grades.length);
      const recall = recallPerClass(confusion);
      const nll = truth.map((grade, i) => -Math.log(Math.max(probabilities[i]![grade]!, 1e-12)));
      return {
        validationLoss: nll.reduce((a, b) => a + b) / nll.length,
        validationBalancedAccuracy: balancedAccuracy(confusion),
        validationRecall: Object.fromEntries(grades.map(({ name }, index) => [name, recall[index] ?? null])),
      };
    },

    better: (row, best) =>
      row.validationBalancedAccuracy > best.validationBalancedAccuracy ||
      (row.validationBalancedAccuracy === best.validationBalancedAccuracy &&
        row.validationLoss < best.validationLoss),
  };
}

/** As many draws as there are discs: a grade that occurs, then a disc of that grade, both uniformly. */
function balancedDraw(discs: readonly GradedDisc[], grades: number, random: RandomStream): GradedDisc[] {
  const groups = byGrade(discs, grades).filter((group) => group.length > 0);
  return discs.map(() => random.pick(random.pick(groups)));
}

const byGrade = (discs: readonly GradedDisc[], grades: number): GradedDisc[][] =>
  Array.from({ length: grades }, (_, grade) => discs.filter((disc) => disc.grade === grade));
