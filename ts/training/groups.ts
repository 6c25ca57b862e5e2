/** Which parameters decay, at what rate each depth of an encoder learns, how rates change, and one update. */
import { clipGradNorm } from '../engine/ops/clipGradNorm.js';
import type { Tensor } from '../engine/tensor.js';
import type { Module } from '../nn/module.js';
import { depthOf } from '../nn/resnet.js';
import type { AdamW, AdamWSettings } from '../optim/adamW.js';
import type { ParameterGroup } from '../optim/optimizer.js';
import { type Schedule, warmupCosine } from '../optim/schedules.js';

interface Rates {
  learningRate: number;
  weightDecay: number;
}

export type Group = ParameterGroup<AdamWSettings>;

const STAGES = 4;

/** Biases and the weights and biases of norms have one axis, and do not decay (Goyal et al. 2017). */
const decays = (tensor: Tensor): boolean => tensor.shape.length > 1;

function grouped(
  modules: Record<string, Module>,
  { learningRate, weightDecay }: Rates,
  factorOf: (module: string, name: string) => number,
): Group[] {
  const groups = new Map<string, Group & { parameters: Map<string, Tensor> }>();
  for (const [key, module] of Object.entries(modules)) {
    for (const [name, tensor] of module.parameters()) {
      const factor = factorOf(key, name);
      const decay = decays(tensor) ? weightDecay : 0;
      const id = `${factor} ${decay}`;
      const group = groups.get(id) ?? {
        name: id,
        parameters: new Map<string, Tensor>(),
        learningRate: learningRate * factor,
        weightDecay: decay,
      };
      group.parameters.set(`${key}.${name}`, tensor);
      groups.set(id, group);
    }
  }
  return [...groups.values()];
}

/** One rate for all. */
export const decayGroups = (modules: Record<string, Module>, rates: Rates): Group[] =>
  grouped(modules, rates, () => 1);

/**
 * Differential rates: the head learns at the full rate, the encoder's last stage at `encoder` times that, and each
 * stage before it at `layerDecay` times the one behind.
 */
export function differentialGroups(
  modules: Record<string, Module>,
  rates: Rates,
  differential: { encoder: number; layerDecay: number },
): Group[] {
  return grouped(modules, rates, (_, name) => {
    if (!name.startsWith('encoder.')) return 1;
    const depth = depthOf(name.slice('encoder.'.length));
    return differential.encoder * differential.layerDecay ** (STAGES - depth);
  });
}

/** Warm-up and cosine over a stage of `perEpoch` steps an epoch; a stage shorter than its warm-up is all warm-up. */
export function stageSchedule(
  settings: { epochs: number; warmupEpochs: number; floor: number },
  perEpoch: number,
): Schedule {
  const totalSteps = Math.max(1, settings.epochs * perEpoch);
  const warmupSteps = Math.min(totalSteps, Math.round(settings.warmupEpochs * perEpoch));
  return warmupCosine({ warmupSteps, totalSteps, floor: settings.floor });
}

/** The end of a training step: clips the gradients' norm, updates the parameters, frees the gradients. */
export function update(
  optimizer: AdamW,
  parameters: readonly Tensor[],
  clipNorm: number,
  rateFactor: number,
): void {
  clipGradNorm(parameters, clipNorm).dispose();
  optimizer.learningRateFactor = rateFactor;
  optimizer.step();
  optimizer.zeroGrad();
}
