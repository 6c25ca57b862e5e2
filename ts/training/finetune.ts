/**
 * Fine-tuning: an encoder and a grading layer learn the canal grade of a disc by weighted focal loss.
 *
 * Three arms share the discs, their order, the augmentation, the head's first weights, the loss and the number of
 * steps. They differ in where the encoder comes from and how fast it may move:
 *   scratch      random weights, all layers at the full rate
 *   frozen       pretrained, never changed: what the contrastive features alone are worth
 *   contrastive  pretrained, differential rates: the nearer a layer is to the pixels, the less it moves
 * The epoch with the best balanced accuracy on the validation patients is kept.
 */
import { backward, noGrad } from '../engine/autograd.js';
import { expectFinite } from '../engine/finite.js';
import { focalLoss } from '../engine/ops/focalLoss.js';
import { softmax } from '../engine/ops/softmax.js';
import { type Tensor, tidy } from '../engine/tensor.js';
import { argmax, balancedAccuracy, confusionMatrix, recallPerClass } from '../evaluation/metrics.js';
import { Grader } from '../model/grader.js';
import { ResNet } from '../nn/resnet.js';
import { AdamW } from '../optim/adamW.js';
import { RandomStream } from '../random.js';
import { taskOf } from '../tasks/index.js';
import type { Values } from './checkpoint.js';
import { batches, type Discs, shuffled } from './discs.js';
import { differentialGroups, stageSchedule, update } from './groups.js';
import { type Run, runStage, type StageResult } from './stage.js';

export const ARMS = ['scratch', 'frozen', 'contrastive'] as const;
export type Arm = (typeof ARMS)[number];

const PURPOSE = { encoder: 100, head: 201, order: 202, slice: 203, views: 204, dropout: 205 };

/** Discs a batch in evaluation. */
const EVALUATION_BATCH = 64;

/** The encoder before any training; the same for pretraining and for the scratch arm. */
export function newEncoder({ config, device }: Run): ResNet {
  return new ResNet({ device, random: new RandomStream(config.seed, PURPOSE.encoder) }, config.encoder);
}

type GradedDisc = ReturnType<Discs['graded']>[number];

export async function finetune(
  run: Run,
  discs: Discs,
  arm: Arm,
  pretrained: Values,
): Promise<StageResult & { grader: Grader }> {
  const { config, device } = run;
  const { seed, finetuning: settings } = config;
  const { grades } = taskOf(config.task);
  const trained = discs.graded('train');
  const validated = discs.graded('validation');
  const encoder = newEncoder(run);
  if (arm !== 'scratch') encoder.load(pretrained, 'the pretrained encoder');
  const build = { device, random: new RandomStream(seed, PURPOSE.head) };
  const grader = new Grader(build, encoder, {
    grades: grades.length,
    dropout: settings.dropout,
    frozen: arm === 'frozen',
  });
  const groups = differentialGroups(
    arm === 'frozen' ? { head: grader.head } : { grader },
    settings,
    settings.rates[arm === 'scratch' ? 'scratch' : 'contrastive'],
  );
  const parameters = groups.flatMap((group) => [...group.parameters.values()]);
  using optimizer = new AdamW(groups);
  const perEpoch = Math.max(1, Math.floor(trained.length / settings.batch));
  const schedule = stageSchedule(settings, perEpoch);
  const loss = {
    gamma: settings.gamma,
    alpha: classWeights(trained, grades.length, settings.alpha),
    labelSmoothing: settings.labelSmoothing,
  };
  let order: GradedDisc[][] = [];

  const result = await runStage(run, {
    name: `finetuning-${arm}`,
    epochs: settings.epochs,
    modules: { grader },
    optimizer,

    begin(epoch) {
      const random = new RandomStream(seed, PURPOSE.order, epoch);
      const drawn =
        settings.sampling === 'balanced'
          ? balancedDraw(trained, grades.length, random)
          : shuffled(trained, random);
      order = batches(drawn, settings.batch, 2);
      order.splice(perEpoch);
      return order.length;
    },

    step(epoch, step) {
      const batch = order[step]!;
      const random = new RandomStream(seed, PURPOSE.slice, epoch, step);
      const rows = batch.map((disc) => (settings.neighbours ? random.pick(disc.rows) : disc.row));
      const done = (epoch - 1) * perEpoch + step;
      return tidy(() => {
        const views = discs.views(rows, { seed: seed ^ PURPOSE.views, step: done });
        const logits = grader.forward(views, { seed: seed ^ PURPOSE.dropout, step: done });
        const targets = device.tensor(Int32Array.from(batch, ({ grade }) => grade));
        const value = focalLoss(logits, targets, loss);
        backward(value);
        update(optimizer, parameters, settings.clipNorm, schedule(done));
        return value;
      });
    },

    async validate(epoch) {
      const probabilities = await grade(
        grader,
        discs,
        validated.map(({ row }) => row),
      );
      const truth = validated.map((disc) => disc.grade);
      const confusion = confusionMatrix(truth, probabilities.map(argmax), grades.length);
      const recall = recallPerClass(confusion);
      const surprise = truth.map((label, i) => -Math.log(Math.max(probabilities[i]![label]!, 1e-12)));
      return {
        learningRate: settings.learningRate * schedule(epoch * perEpoch - 1),
        validationLoss: surprise.reduce((a, b) => a + b) / surprise.length,
        validationBalancedAccuracy: balancedAccuracy(confusion),
        validationRecall: Object.fromEntries(grades.map(({ name }, index) => [name, recall[index] ?? null])),
      };
    },

    better: (row, best) =>
      metric(row, 'validationBalancedAccuracy') > metric(best, 'validationBalancedAccuracy') ||
      (metric(row, 'validationBalancedAccuracy') === metric(best, 'validationBalancedAccuracy') &&
        metric(row, 'validationLoss') < metric(best, 'validationLoss')),
  });
  return { ...result, grader };
}

const metric = (row: Record<string, unknown>, name: string): number => row[name] as number;

/** Probabilities of the grades for rows of the bank, as they are. */
export function grade(grader: Grader, discs: Discs, rows: readonly number[]): Promise<number[][]> {
  return gradeViews(
    grader,
    batches(rows, EVALUATION_BATCH).map((batch) => () => discs.plain(batch)),
  );
}

/**
 * Probabilities of the grades for batches of normalised views.
 *
 * @throws SpinegradError ERR_NOT_FINITE if a logit or a probability is NaN or infinite: argmax would call the first grade
 */
export async function gradeViews(grader: Grader, makeViews: readonly (() => Tensor)[]): Promise<number[][]> {
  const probabilities: number[][] = [];
  for (const views of makeViews) {
    using logits = noGrad(() => tidy(() => grader.forward(views())));
    using rows = noGrad(() => softmax(logits));
    const [scores, values] = await Promise.all([logits.data(), rows.data()]);
    expectFinite(scores, 'grader: logits', ADVICE);
    expectFinite(values, 'grader: probabilities', ADVICE);
    const grades = rows.shape[1]!;
    for (let i = 0; i < values.length; i += grades) {
      probabilities.push(Array.from(values.subarray(i, i + grades)));
    }
  }
  return probabilities;
}

const ADVICE = 'the weights are of a training that diverged, or the input overflows float32';

/** Weights of the grades from their share of the training discs, with mean 1 over the discs. */
function classWeights(
  discs: readonly GradedDisc[],
  grades: number,
  rule: 'inverse' | 'sqrt' | 'none',
): number[] {
  const counts = byGrade(discs, grades).map((group) => Math.max(1, group.length));
  const raw = counts.map((count) => ({ inverse: 1 / count, sqrt: 1 / Math.sqrt(count), none: 1 })[rule]);
  const total = raw.reduce((sum, weight, label) => sum + weight * counts[label]!, 0);
  return raw.map((weight) => (weight * discs.length) / total);
}

/** As many draws as there are discs: a grade that occurs, then a disc of that grade, both uniformly. */
function balancedDraw(discs: readonly GradedDisc[], grades: number, random: RandomStream): GradedDisc[] {
  const groups = byGrade(discs, grades).filter((group) => group.length > 0);
  return discs.map(() => random.pick(random.pick(groups)));
}

const byGrade = (discs: readonly GradedDisc[], grades: number): GradedDisc[][] =>
  Array.from({ length: grades }, (_, grade) => discs.filter((disc) => disc.grade === grade));
