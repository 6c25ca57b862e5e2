/**
 * Contrastive pretraining, the algorithm box:
 *
 *   for each batch of discs:
 *     two or more views of each disc: augmented crops of the annotated slice or a neighbour, of one series or of several
 *     z = normalise(projection(encoder(view)))
 *     loss = multi-positive InfoNCE(z, label of the disc), or a weighted mean of several (positives.ts); with a queue
 *     (keyQueue.ts) InfoNCE of each view against the keys of the other views and of earlier batches
 *
 * Validation computes the same loss on discs of other patients; retrieval: how often the nearest of all other views shows
 * the same disc, and how often a random one would; alignment and uniformity; and in some epochs the probes of probe.ts.
 */
import { z } from 'zod';
import { noGrad } from '../engine/autograd.js';
import { expectFinite } from '../engine/finite.js';
import { concat } from '../engine/ops/concat.js';
import { add, mul } from '../engine/ops/elementwise.js';
import { gather } from '../engine/ops/gather.js';
import { infoNCE } from '../engine/ops/infoNCE.js';
import { queryInfoNCE } from '../engine/ops/queryInfoNCE.js';
import type { Tensor } from '../engine/tensor.js';
import { tidy } from '../engine/tidy.js';
import { alignment, type Embeddings, retrieved, uniformity } from '../evaluation/embeddings.js';
import { batches } from '../model/batches.js';
import { type DiscEncoder, encode } from '../model/fusion/encoder.js';
import type { EncoderInput } from '../model/fusion/input.js';
import { ProjectionHead } from '../model/projection.js';
import { Temperature } from '../model/temperature.js';
import type { Module } from '../nn/module.js';
import { RandomStream } from '../random.js';
import { drawViews, fixedViews, VIEWS } from './contrastiveViews.js';
import { newEncoder } from './finetune.js';
import { decayGroups } from './groups.js';
import { KeyQueue } from './keyQueue.js';
import { positivesOf } from './positives.js';
import { probe } from './probe.js';
import type { Disc, RoiDataset } from './roiDataset.js';
import { type Run, runStage, type Stage, type StageResult } from './stage.js';

/** The networks that pretraining trains. */
export interface PretrainingModules {
  encoder: DiscEncoder;
  projection: ProjectionHead;
  /** If the temperature is learned. */
  temperature?: Temperature | undefined;
  /** If there is one. */
  queue?: KeyQueue | undefined;
}

const PURPOSE = {
  order: 101,
  slice: 102,
  views: 103,
  validation: 104,
  projection: 105,
  crops: 106,
  queue: 107,
};

/** Label of a key without a disc: no disc has it. */
const NO_LABEL = -(2 ** 31);

const ADVICE = 'lower pretraining.learningRate';

const metrics = z.object({
  validationLoss: z.number(),
  /** Fraction of views whose nearest view shows the same disc. */
  validationRetrieval: z.number(),
  /** The same for a random other view. */
  validationChance: z.number(),
  /** Mean squared distance of the two views of a disc. */
  validationAlignment: z.number(),
  /** Logarithm of the mean Gaussian potential of all pairs of discs. */
  validationUniformity: z.number(),
  /** Balanced accuracy of the first task from the embeddings; null in epochs without a probe. */
  validationProbe: z.object({ knn: z.number(), linear: z.number() }).nullable(),
});

export type PretrainingMetrics = z.output<typeof metrics>;

/** Trains the encoder; the projection head is discarded. */
export async function pretrain(
  run: Run,
  discs: RoiDataset,
  encoder: DiscEncoder,
): Promise<StageResult<PretrainingMetrics>> {
  const { config, device } = run;
  const { seed, pretraining: settings } = config;
  const random = new RandomStream(seed, PURPOSE.projection);
  const projection = new ProjectionHead({ device, random }, encoder.features, settings.projection);
  const temperature = settings.learnTemperature
    ? new Temperature({ device }, settings.temperature)
    : undefined;
  const queue = settings.queue > 0 ? newQueue(run, discs) : undefined;
  return runStage(run, pretraining(run, discs, { encoder, projection, temperature, queue }));
}

/** A queue whose networks have the first weights of the encoder and the projection. */
function newQueue({ config, device }: Run, discs: RoiDataset): KeyQueue {
  const { seed, pretraining: settings } = config;
  const encoder = newEncoder({ config, device }, discs.input.spec);
  const build = { device, random: new RandomStream(seed, PURPOSE.projection) };
  const projection = new ProjectionHead(build, encoder.features, settings.projection);
  const random = new RandomStream(seed, PURPOSE.queue);
  const shape = { size: settings.queue, length: settings.projection };
  return new KeyQueue({ device, random }, encoder, projection, shape);
}

export function pretraining(
  { config, device }: Pick<Run, 'config' | 'device'>,
  discs: RoiDataset,
  { encoder, projection, temperature, queue }: PretrainingModules,
): Stage<Disc, PretrainingMetrics> {
  const { pretraining: settings } = config;
  const trained: Record<string, Module> = { encoder, projection };
  if (temperature) trained.temperature = temperature;
  const positives = positivesOf(settings);
  const { epochs, probeEvery } = settings;
  const probed = (epoch: number): boolean => probeEvery > 0 && (epoch % probeEvery === 0 || epoch === epochs);

  const embed = (views: EncoderInput): Tensor => projection.forward(encode(encoder, views));

  const scale = temperature ? { logScale: temperature.logScale } : { temperature: settings.temperature };
  const options = { ...scale, mean: settings.mean };
  const discOf = new Map(discs.of('train').map((disc) => [disc.id, disc]));

  /** Each view against the keys of the other views and those of the queue, into which the keys of the batch go then. */
  const contrastKeys = (memory: KeyQueue, views: EncoderInput, batch: readonly Disc[]): Tensor => {
    memory.follow(encoder, projection, settings.keyMomentum);
    const [queries, keys] = [embed(views), memory.embed(views)];
    const queued = memory.ids.map((id) => (id === undefined ? undefined : discOf.get(id)!));
    const part = (rows: Tensor, view: number) =>
      gather(rows, device.tensor(Int32Array.from(batch, (_, i) => view * batch.length + i)));
    const terms = positives.flatMap(({ labelOf, weight }) => {
      const own = Int32Array.from(batch, labelOf);
      const others = queued.map((disc) => (disc ? labelOf(disc) : NO_LABEL));
      const keyLabels = device.tensor(Int32Array.from([...own, ...others]));
      return [0, 1].map((view) => {
        const all = concat([part(keys, 1 - view), memory.keys], 0);
        const loss = queryInfoNCE(part(queries, view), device.tensor(own), all, keyLabels, options);
        return mul(loss, weight / 2);
      });
    });
    const ids = batch.map(({ id }) => id);
    memory.push(keys, [...ids, ...ids]);
    return terms.reduce((a, b) => add(a, b));
  };

  const contrast = (embeddings: Tensor, batch: readonly Disc[]): Tensor => {
    const views = embeddings.shape[0]! / batch.length;
    const terms = positives.map(({ labelOf, weight }) => {
      const ids = batch.map(labelOf);
      const rows = device.tensor(Int32Array.from(Array.from({ length: views }, () => ids).flat()));
      const loss = infoNCE(embeddings, rows, options);
      return weight === 1 ? loss : mul(loss, weight);
    });
    return terms.reduce((a, b) => add(a, b));
  };

  return {
    name: 'pretraining',
    settings,
    modules: queue ? { ...trained, queue } : trained,
    groups: decayGroups(trained, settings),
    items: discs.of('train'),
    batchSize: settings.discs,
    orderPurpose: PURPOSE.order,
    metrics,

    lossOf(batch, keys) {
      const random = keys.stream(PURPOSE.slice);
      const draw = (count: number) => drawViews(discs, batch, count, settings.drawFrom, random);
      const strengths = settings.augmentation;
      const views = discs.views(draw(VIEWS), keys.device(PURPOSE.views), strengths);
      if (queue) return contrastKeys(queue, views, batch);
      const full = embed(views);
      if (settings.views === VIEWS) return contrast(full, batch);
      const small = { ...strengths, side: settings.cropSide };
      const crops = discs.views(draw(settings.views - VIEWS), keys.device(PURPOSE.crops), small);
      return contrast(concat([full, embed(crops)], 0), batch);
    },

    async validate(epoch) {
      const losses: number[] = [];
      const first: Float32Array[] = [];
      let hits = 0;
      let distance = 0;
      let chance = 0;
      let views = 0;
      for (const batch of batches(discs.of('validation'), settings.discs, 2)) {
        const keys = { seed: PURPOSE.validation, step: views };
        const drawn = fixedViews(discs, batch, settings.drawFrom);
        using embeddings = noGrad(() => tidy(() => embed(discs.views(drawn, keys, settings.augmentation))));
        using loss = noGrad(() => tidy(() => contrast(embeddings, batch)));
        const [value, rows] = await Promise.all([loss.item(), embeddings.data()]);
        expectFinite(rows, 'embeddings', ADVICE);
        expectFinite([value], 'InfoNCE', ADVICE);
        losses.push(value);
        const pairs = { values: rows as Float32Array, length: embeddings.shape[1]! };
        hits += retrieved(pairs);
        distance += batch.length * alignment(pairs);
        first.push(pairs.values.subarray(0, batch.length * pairs.length));
        views += VIEWS * batch.length;
        chance += (VIEWS * batch.length) / (VIEWS * batch.length - 1);
      }
      return {
        validationLoss: losses.reduce((a, b) => a + b) / losses.length,
        validationRetrieval: hits / views,
        validationChance: chance / views,
        validationAlignment: (VIEWS * distance) / views,
        validationUniformity: uniformity(joined(first, settings.projection)),
        validationProbe: probed(epoch) ? await probe(device, discs, encoder) : null,
      };
    },
  };
}

/** Embeddings of several batches, one after the other. */
function joined(parts: readonly Float32Array[], length: number): Embeddings {
  const values = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    values.set(part, at);
    at += part.length;
  }
  return { values, length };
}
