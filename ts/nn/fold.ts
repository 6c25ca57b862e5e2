import { BatchNorm2d } from './layers.js';
import type { Module } from './module.js';

/**
 * Moves each batch norm of a network in eval mode into the convolution before it, whose filters it multiplies and whose
 * bias it shifts: the same values with fewer passes over the images. The network is changed in place and returned; it
 * no longer trains, and its state has no batch norms any more.
 */
export async function foldBatchNorms<T extends Module>(network: T): Promise<T> {
  for (const module of network.eval().modules()) {
    if (module instanceof BatchNorm2d) await module.fold();
  }
  return network;
}
