import { expectArguments, found } from '../arguments.js';
import { SpinegradError } from '../error.js';
import { BatchNorm2d } from './layers.js';
import { Module } from './module.js';

/**
 * Folds each batch norm of a network into the convolution before it, for inference: the same function with fewer passes
 * over the images. Changes the network in place, switches it to eval mode and returns it. It can no longer be trained,
 * and its state contains no batch norms.
 */
export async function foldBatchNorms<T extends Module>(network: T): Promise<T> {
  expectArguments('foldBatchNorms', arguments.length, 1);
  if (!(network instanceof Module)) {
    throw new SpinegradError(
      'ERR_ARGUMENT',
      `foldBatchNorms(): network: expected a module, found ${found(network)}`,
    );
  }
  for (const module of network.eval().modules()) {
    if (module instanceof BatchNorm2d) await module.fold();
  }
  return network;
}
