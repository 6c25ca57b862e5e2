import { noGrad } from '../engine/autograd.js';
import { tidy } from '../engine/tidy.js';
import { batches } from '../model/batches.js';
import { type DiscEncoder, encode } from '../model/fusion/encoder.js';
import type { RoiDataset } from './roiDataset.js';

/** Passes over the training discs. The running statistics then depend by less than 1 % on their first values. */
const PASSES = 6;

/**
 * Estimates the statistics of the batch norms of an encoder on the graded training discs, without changing its weights.
 * An untrained encoder needs it: with the first statistics, a mean of 0 and a variance of 1, its embeddings hardly differ.
 */
export async function estimateNorms(
  encoder: DiscEncoder,
  discs: RoiDataset,
  batchSize: number,
): Promise<void> {
  encoder.train(true);
  for (let pass = 0; pass < PASSES; pass++) {
    for (const batch of batches(discs.graded('train'), batchSize, 2)) {
      const embeddings = noGrad(() =>
        tidy(() => encode(encoder, discs.plain(batch.map((disc) => discs.slots(disc))))),
      );
      // Waits for the device, so that no more than one batch is in memory.
      await embeddings.data();
      embeddings.dispose();
    }
  }
  encoder.train(false);
}
