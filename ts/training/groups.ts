/** Parameter groups: which parameters decay, and the learning rate of each stage of an encoder. */

import type { ParameterGroup } from '../engine/ops/multitensor.js';
import type { Tensor } from '../engine/tensor.js';
import type { Module } from '../nn/module.js';
import { stageOf } from '../nn/resnet.js';
import type { AdamWSettings } from '../optim/adamW.js';

interface Rates {
  learningRate: number;
  weightDecay: number;
}

export type Group = ParameterGroup<AdamWSettings>;

const STAGES = 4;

/** Biases and the weights of norms have one axis and do not decay (Goyal et al. 2017). */
const decays = (tensor: Tensor): boolean => tensor.shape.length > 1;

function grouped(
  modules: Record<string, Module>,
  { learningRate, weightDecay }: Rates,
  factorOf: (name: string) => number,
): Group[] {
  const groups = new Map<string, Group & { parameters: Map<string, Tensor> }>();
  for (const [key, module] of Object.entries(modules)) {
    for (const [name, tensor] of module.parameters()) {
      const factor = factorOf(name);
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

/** The same learning rate for all parameters. */
export const decayGroups = (modules: Record<string, Module>, rates: Rates): Group[] =>
  grouped(modules, rates, () => 1);

/**
 * Differential rates: the head learns at the full rate, the encoder's last stage (and the gate of attention) at `encoder`
 * times that rate, and each earlier stage at `layerDecay` times the rate of the next one.
 */
export function differentialGroups(
  modules: Record<string, Module>,
  rates: Rates,
  differential: { encoder: number; layerDecay: number },
): Group[] {
  return grouped(modules, rates, (name) => {
    const [, parameter] = /^encoder\.(?:series\d+\.)?(.*)$/.exec(name) ?? [];
    if (parameter === undefined) return 1;
    const stage = parameter.startsWith('gate.') ? STAGES : stageOf(parameter);
    return differential.encoder * differential.layerDecay ** (STAGES - stage);
  });
}
