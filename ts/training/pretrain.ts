/**
 * Contrastive pretraining, the algorithm box:
 *
 *   for each batch of discs:
 *     two rows of each disc (the annotated slice or a neighbour), one augmented view of each
 *     z = normalise(projection(encoder(view)))
 *     loss = multi-positive InfoNCE(z, label of the disc)
 *     AdamW step on encoder and projection, warm-up and cosine
 *
 * Validation takes the same loss on discs of other patients, and how often the nearest of all their views shows the
 * same disc (retrieval), beside what chance would give.
 */

import { LEVELS } from '../anatomy.js';
import { backward, noGrad } from '../engine/autograd.js';
import { expectFinite } from '../engine/finite.js';
import { add } from '../engine/ops/add.js';
import { infoNCE } from '../engine/ops/infoNCE.js';
import { mul } from '../engine/ops/mul.js';
import { type Tensor, tidy } from '../engine/tensor.js';
import { ProjectionHead } from '../model/projection.js';
import { Temperature } from '../model/temperature.js';
import type { Module } from '../nn/module.js';
import type { ResNet } from '../nn/resnet.js';
import { AdamW } from '../optim/adamW.js';
import { RandomStream } from '../random.js';
import { batches, type Disc, type Discs, shuffled } from './discs.js';
import { decayGroups, stageSchedule, update } from './groups.js';
import { type Run, runStage, type StageResult } from './stage.js';

/** A second loss on the same encoder: the joint mode of localization. */
export interface AuxiliaryTask {
  head: Module;
  weight: number;
  /** The loss of a step, recorded. */
  loss(epoch: number, step: number): Tensor;
}

/** Streams of the run's random numbers, one a purpose. */
const PURPOSE = { order: 101, slice: 102, views: 103, validation: 104, projection: 105 };

const VIEWS = 2;

const ADVICE = 'lower pretraining.learningRate';

export async function pretrain(
  run: Run,
  discs: Discs,
  encoder: ResNet,
  auxiliary?: AuxiliaryTask,
): Promise<StageResult> {
  const { config, device } = run;
  const { seed, pretraining: settings } = config;
  const trained = discs.of('train');
  const random = new RandomStream(seed, PURPOSE.projection);
  const projection = new ProjectionHead({ device, random }, encoder.features, settings.projection);
  const temperature = settings.learnTemperature
    ? new Temperature({ device }, settings.temperature)
    : undefined;
  const modules = {
    encoder,
    projection,
    ...(temperature ? { temperature } : {}),
    ...(auxiliary ? { auxiliary: auxiliary.head } : {}),
  };
  const groups = decayGroups(modules, settings);
  const parameters = groups.flatMap((group) => [...group.parameters.values()]);
  using optimizer = new AdamW(groups);
  const perEpoch = Math.max(1, Math.floor(trained.length / settings.discs));
  const schedule = stageSchedule(settings, perEpoch);
  const labelOf = labels(settings.positives);
  let order: Disc[][] = [];

  const lossOf = (views: Tensor, batch: readonly Disc[]): { loss: Tensor; embeddings: Tensor } => {
    const embeddings = projection.forward(encoder.forward(views));
    const ids = batch.map(labelOf);
    const rows = device.tensor(Int32Array.from([...ids, ...ids]));
    const scale = temperature ? { logScale: temperature.logScale } : { temperature: settings.temperature };
    return { loss: infoNCE(embeddings, rows, { ...scale, mean: settings.mean }), embeddings };
  };

  const validationRows = (batch: readonly Disc[]): number[] =>
    Array.from({ length: VIEWS }, (_, view) => batch.map(({ rows }) => rows[view % rows.length]!)).flat();

  return await runStage(run, {
    name: 'pretraining',
    epochs: settings.epochs,
    modules,
    optimizer,

    begin(epoch) {
      order = batches(shuffled(trained, new RandomStream(seed, PURPOSE.order, epoch)), settings.discs, 2);
      order.splice(perEpoch);
      return order.length;
    },

    step(epoch, step) {
      const batch = order[step]!;
      const random = new RandomStream(seed, PURPOSE.slice, epoch, step);
      const rows = Array.from({ length: VIEWS }, () => batch.map((disc) => random.pick(disc.rows))).flat();
      const done = (epoch - 1) * perEpoch + step;
      return tidy(() => {
        const { loss } = lossOf(discs.views(rows, { seed: seed ^ PURPOSE.views, step: done }), batch);
        // The log shows InfoNCE alone, which is not the root of the tape when there is an auxiliary task.
        loss.keep();
        backward(auxiliary ? add(loss, mul(auxiliary.loss(epoch, step), auxiliary.weight)) : loss);
        update(optimizer, parameters, settings.clipNorm, schedule(done));
        return loss;
      });
    },

    async validate(epoch) {
      const losses: number[] = [];
      let hits = 0;
      let chance = 0;
      let views = 0;
      for (const batch of batches(discs.of('validation'), settings.discs, 2)) {
        const { loss, embeddings } = noGrad(() =>
          tidy(() =>
            lossOf(discs.views(validationRows(batch), { seed: PURPOSE.validation, step: views }), batch),
          ),
        );
        const length = embeddings.shape[1]!;
        const [value, rows] = await Promise.all([loss.item(), embeddings.data()]);
        loss.dispose();
        embeddings.dispose();
        expectFinite([value], 'validation: InfoNCE', ADVICE);
        expectFinite(rows, 'validation: embeddings', ADVICE);
        losses.push(value);
        hits += retrieved(rows, length, batch.length);
        views += VIEWS * batch.length;
        chance += (VIEWS * batch.length) / (VIEWS * batch.length - 1);
      }
      return {
        learningRate: settings.learningRate * schedule(epoch * perEpoch - 1),
        validationLoss: losses.length > 0 ? losses.reduce((a, b) => a + b) / losses.length : null,
        validationRetrieval: views > 0 ? hits / views : null,
        validationChance: views > 0 ? chance / views : null,
      };
    },
  });
}

/** The label whose equality makes two discs' rows positives. */
function labels(positives: 'disc' | 'level' | 'grade'): (disc: Disc) => number {
  if (positives === 'grade') return ({ id, grade }) => grade ?? -1 - id;
  if (positives === 'disc') return ({ id }) => id;
  const known = new Map<string, number>();
  return ({ studyId, level }) => {
    const key = `${studyId} ${LEVELS.indexOf(level)}`;
    if (!known.has(key)) known.set(key, known.size);
    return known.get(key)!;
  };
}

/** How many of the rows (first views, then second views) have their nearest neighbour in their own disc's other view. */
function retrieved(embeddings: Float32Array, length: number, discs: number): number {
  const rows = discs * VIEWS;
  let hits = 0;
  for (let i = 0; i < rows; i++) {
    let best = -Infinity;
    let nearest = -1;
    for (let j = 0; j < rows; j++) {
      if (j === i) continue;
      let dot = 0;
      for (let k = 0; k < length; k++) dot += embeddings[i * length + k]! * embeddings[j * length + k]!;
      if (dot > best) [best, nearest] = [dot, j];
    }
    if (nearest % discs === i % discs) hits++;
  }
  return hits;
}
