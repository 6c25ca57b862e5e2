import { type Values, valuesOf } from '../nn/values.js';
import { newEncoder } from './finetune.js';
import { type PretrainingMetrics, pretrain } from './pretrain.js';
import type { RoiDataset } from './roiDataset.js';
import type { Run, StageResult } from './stage.js';

/** Pretrains a new encoder; returns its weights. */
export async function pretrainedEncoder(
  run: Run,
  discs: RoiDataset,
): Promise<StageResult<PretrainingMetrics> & { weights: Values }> {
  const encoder = newEncoder(run, discs.input.spec);
  try {
    const result = await pretrain(run, discs, encoder);
    return { ...result, weights: await valuesOf(encoder.state()) };
  } finally {
    encoder.dispose();
  }
}
