/**
 * Probes of an encoder during pretraining: how well its embeddings of the validation discs show the grade of the first
 * task, by the nearest training discs and by a linear classifier that is trained on the training discs. The encoder is not
 * changed, and no random number is drawn.
 */
import type { Split } from '../data/types.js';
import { backward, noGrad } from '../engine/autograd.js';
import type { Device } from '../engine/device.js';
import { focalLoss } from '../engine/ops/focalLoss.js';
import { linear } from '../engine/ops/linear.js';
import { tidy } from '../engine/tidy.js';
import { type Embeddings, nearestNeighbours } from '../evaluation/embeddings.js';
import { argmax, balancedAccuracy, confusionMatrix } from '../evaluation/metrics.js';
import { batches } from '../model/batches.js';
import { embeddingsOf } from '../model/embed.js';
import type { DiscEncoder } from '../model/fusion/encoder.js';
import { GRADING_BATCH } from '../model/grade.js';
import { classWeights } from '../model/heads/classWeights.js';
import { AdamW } from '../optim/adamW.js';
import type { Disc, RoiDataset } from './roiDataset.js';

const NEIGHBOURS = 5;
/** Steps of the linear probe, each on all training discs. */
const STEPS = 100;
const PROBE = { learningRate: 0.05, weightDecay: 0.1 };

/** Balanced accuracy on the validation discs. */
export interface Probe {
  /** Vote of the five nearest training discs by the cosine of the embeddings. */
  knn: number;
  /** Multinomial logistic regression on standardised embeddings. */
  linear: number;
}

/** Probes an encoder in eval mode; null if the training or the validation discs have no grade of the first task. */
export async function probe(device: Device, discs: RoiDataset, encoder: DiscEncoder): Promise<Probe | null> {
  const classes = discs.tasks[0]!.grades.length;
  const graded = (split: Split) => discs.of(split).filter(({ grades }) => typeof grades[0] === 'number');
  const [train, validation] = [graded('train'), graded('validation')];
  if (train.length === 0 || validation.length === 0) return null;
  const labels = train.map(({ grades }) => grades[0]!);
  const truth = validation.map(({ grades }) => grades[0]!);
  const references = await embed(discs, encoder, train);
  const queries = await embed(discs, encoder, validation);
  const accuracy = (predicted: readonly number[]) =>
    balancedAccuracy(confusionMatrix(truth, predicted, classes));
  return {
    knn: accuracy(nearestNeighbours(references, labels, queries, NEIGHBOURS)),
    linear: accuracy(await linearProbe(device, references, labels, queries, classes)),
  };
}

/** Embeddings of the annotated slices without augmentation. */
const embed = (discs: RoiDataset, encoder: DiscEncoder, shown: readonly Disc[]): Promise<Embeddings> =>
  embeddingsOf(
    encoder,
    batches(shown, GRADING_BATCH).map((batch) => () => discs.plain(batch.map((disc) => discs.slots(disc)))),
  );

/**
 * The classes of the queries by logistic regression on the references: a fixed number of steps of AdamW from zero, all
 * references in each step, classes weighted by the inverse of their frequency.
 */
export async function linearProbe(
  device: Device,
  references: Embeddings,
  labels: readonly number[],
  queries: Embeddings,
  classes: number,
): Promise<number[]> {
  const { length } = references;
  const standardise = standardisation(references);
  const counts = Array.from({ length: classes }, (_, k) => labels.filter((label) => label === k).length);
  const alpha = classWeights(counts, 'inverse');
  using x = device.tensor(standardise(references), [labels.length, length]).keep();
  using targets = device.tensor(Int32Array.from(labels)).keep();
  using weight = device.zeros([classes, length]).keep();
  using bias = device.zeros([classes]).keep();
  weight.requiresGrad = true;
  bias.requiresGrad = true;
  using optimizer = new AdamW(
    [
      { name: 'weight', parameters: new Map([['weight', weight]]) },
      { name: 'bias', parameters: new Map([['bias', bias]]), weightDecay: 0 },
    ],
    PROBE,
  );
  for (let step = 0; step < STEPS; step++) {
    tidy(() => {
      backward(focalLoss(linear(x, weight, bias), targets, { gamma: 0, alpha }));
      optimizer.step();
      optimizer.zeroGrad();
    });
  }
  using logits = noGrad(() =>
    tidy(() =>
      linear(device.tensor(standardise(queries), [queries.values.length / length, length]), weight, bias),
    ),
  );
  const table = await logits.data();
  return Array.from({ length: table.length / classes }, (_, row) =>
    argmax(Array.from(table.subarray(row * classes, (row + 1) * classes))),
  );
}

/** Subtracts the mean of each feature and divides by its deviation; a constant feature becomes 0. */
function standardisation({ values, length }: Embeddings): (embeddings: Embeddings) => Float32Array {
  const rows = values.length / length;
  const mean = new Float64Array(length);
  const variance = new Float64Array(length);
  values.forEach((value, i) => {
    mean[i % length]! += value / rows;
  });
  values.forEach((value, i) => {
    variance[i % length]! += (value - mean[i % length]!) ** 2 / rows;
  });
  const scale = variance.map((value) => (value > 1e-12 ? 1 / Math.sqrt(value) : 0));
  return ({ values: raw }) => raw.map((value, i) => (value - mean[i % length]!) * scale[i % length]!);
}
