/**
 * Batch norms in eval mode are an affine map a channel, which the convolution before can do: its filters are
 * multiplied, its bias moved. The network then computes the same with fewer passes over its images, and no longer
 * trains: its batch norms have no parameters left, so that its state is no longer that of the network it was.
 */
import { BatchNorm2d } from './layers.js';
import type { Module } from './module.js';

export async function foldBatchNorms<T extends Module>(network: T): Promise<T> {
  for (const module of network.eval().modules()) {
    if (module instanceof BatchNorm2d) await module.fold();
  }
  return network;
}
