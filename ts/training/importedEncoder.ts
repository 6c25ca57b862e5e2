/** The encoder of the arm `imported`: the random encoder of the run with the weights of a file. */
import { createHash } from 'node:crypto';
import { readBytes } from '../io/files.js';
import { readSafetensors } from '../io/safetensors.js';
import { AttentionEncoder } from '../model/fusion/attentionEncoder.js';
import type { FusionSpec } from '../model/fusion/spec.js';
import { importResNet } from '../nn/importResNet.js';
import { type Values, valuesOf } from '../nn/values.js';
import { newEncoder } from './finetune.js';
import type { Run } from './stage.js';

export interface ImportedEncoder {
  values: Values;
  /** The file, its SHA-256, and the layers that it does not have. */
  description: string;
}

/**
 * Reads `encoder.weights` into a new encoder of the run. With attention every series gets the same weights.
 *
 * @throws SpinegradError ERR_FILE_*, ERR_SAFETENSORS_*, ERR_WEIGHTS, ERR_NOT_FINITE
 */
export async function importedEncoder(
  run: Pick<Run, 'config' | 'device'>,
  spec: FusionSpec,
): Promise<ImportedEncoder> {
  const path = run.config.encoder.weights!;
  const tensors = await readSafetensors(path);
  const bytes = await readBytes(path);
  const encoder = newEncoder(run, spec);
  const nets = encoder instanceof AttentionEncoder ? encoder.encoders : [encoder];
  const [{ loaded, missing }] = nets.map((net) => importResNet(net, tensors, path)) as [
    ReturnType<typeof importResNet>,
  ];
  const values = await valuesOf(encoder.state());
  encoder.dispose();
  const sha256 = createHash('sha256').update(bytes).digest('hex').slice(0, 12);
  const random = missing.length === 0 ? '' : `; random: ${layersOf(missing).join(', ')}`;
  return { values, description: `${loaded.length} tensors of ${path} (SHA-256 ${sha256})${random}` };
}

/** The first parts of the names, such as `layer4`. */
const layersOf = (names: readonly string[]): string[] => [
  ...new Set(names.map((name) => name.split('.')[0]!)),
];
