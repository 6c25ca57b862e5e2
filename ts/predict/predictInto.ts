/** Grades many studies into a folder, in one process or in several with a part each. */
import type { Device } from '../engine/device.js';
import { loadModel } from '../model/bundle.js';
import { PredictionFolder } from './predictionFolder.js';
import { isFailed, predictMany, type StudyOutcome } from './predictMany.js';

export interface PredictIntoOptions {
  /** Studies; each is an input of `predict`. */
  inputs: readonly string[];
  /** Folder of a finished run. */
  model: string;
  /** Name of an arm; default: the one that the model recommends. */
  arm?: string | undefined;
  out: string;
  /** Part of the inputs, from 1, and the number of parts; default: all. */
  shard?: { index: number; count: number } | undefined;
  /** Pixel spacing of PNGs in mm. */
  spacing?: number | undefined;
  signal?: AbortSignal | undefined;
  /** Called after each study with its place among `total`, the studies that are graded now. */
  onOutcome?(outcome: StudyOutcome, done: number, total: number): void;
}

/**
 * Grades the studies that have no prediction in the folder yet, and writes `grades.csv`. Studies that failed are tried again.
 *
 * @throws SpinegradError of `loadModel` and `PredictionFolder`; the reason of `signal`
 */
export async function predictInto(device: Device, options: PredictIntoOptions): Promise<void> {
  const { out, spacing, signal, shard = { index: 1, count: 1 }, onOutcome } = options;
  const model = await loadModel(options.model, device, options.arm);
  try {
    const folder = await PredictionFolder.open(out, model, shard);
    const known = await folder.read();
    const own = [...new Set(options.inputs)].filter((input, index) => {
      const outcome = known.get(input);
      return index % shard.count === shard.index - 1 && (outcome === undefined || isFailed(outcome));
    });
    let done = 0;
    for await (const outcome of predictMany(device, model, own, { spacing, signal })) {
      await folder.append(outcome);
      onOutcome?.(outcome, ++done, own.length);
    }
    await folder.writeGrades();
  } finally {
    model.dispose();
  }
}
