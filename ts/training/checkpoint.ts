/**
 * A checkpoint is one safetensors file a stage: the weights of its modules, the best weights so far, the optimizer's
 * state, and in the metadata where the stage stands and what it was trained from. It is written atomically, so a run
 * killed at any moment resumes from a whole one, and carries a checksum of its tensors, so that a bad disk is noticed
 * and not trained on. All randomness follows from (seed, stage, epoch, step): the position
 * is the state of every generator.
 */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import type { Tensor } from '../engine/tensor.js';
import { SpinegradError } from '../error.js';
import { makeFolder } from '../io/atomic.js';
import { readSafetensorsFile, type StoredTensor, writeSafetensors } from '../io/safetensors.js';

const positionSchema = z.object({
  version: z.literal(1),
  /** Hash of the configuration, and the bank's fingerprint. */
  config: z.string(),
  data: z.string(),
  /** The step that comes next: in epoch `epoch` (from 1), `step` steps have been done. */
  epoch: z.number().int(),
  step: z.number().int(),
  /** Sum of the losses of the epoch's steps so far. */
  lossSum: z.number(),
  bestEpoch: z.number().int(),
  /** Spent on the stage so far, over all resumed runs. */
  seconds: z.number(),
  done: z.boolean(),
  /** What the log says of the epochs so far. */
  rows: z.array(z.looseObject({ stage: z.string(), epoch: z.number().int() })),
});

const AGAIN = 'delete that file and resume, to train this stage again and keep the others';

export type Position = z.output<typeof positionSchema>;

/** Tensors on the host, by name. */
export type Values = Map<string, { shape: readonly number[]; data: Float32Array | Int32Array }>;

/** Reads tensors from the device. */
export async function valuesOf(tensors: Iterable<readonly [string, Tensor]>): Promise<Values> {
  const reads = [...tensors].map(
    async ([name, tensor]) => [name, { shape: tensor.shape, data: await tensor.data() }] as const,
  );
  return new Map(await Promise.all(reads));
}

export interface Checkpoint {
  position: Position;
  /** By group ('weights', 'best', 'optimizer'), then by name. */
  groups: Record<'weights' | 'best' | 'optimizer', Map<string, StoredTensor>>;
}

export class CheckpointStore {
  readonly #dir: string;

  constructor(
    runDir: string,
    private readonly origin: { config: string; data: string },
  ) {
    this.#dir = join(runDir, 'checkpoints');
  }

  path(stage: string): string {
    return join(this.#dir, `${stage}.safetensors`);
  }

  async write(
    stage: string,
    position: Omit<Position, 'version' | 'config' | 'data'>,
    groups: Record<'weights' | 'best' | 'optimizer', Values>,
  ): Promise<void> {
    await makeFolder(this.#dir);
    const named = Object.entries(groups).flatMap(([group, values]) =>
      [...values].map(([name, value]) => [`${group}/${name}`, value] as const),
    );
    const tensors = new Map(named);
    await writeSafetensors(this.path(stage), tensors, {
      position: JSON.stringify({ version: 1, ...this.origin, ...position }),
      sha256: checksum(tensors),
    });
  }

  /**
   * The checkpoint of a stage, or undefined where there is none.
   *
   * @throws SpinegradError ERR_CHECKPOINT where the file is damaged or of another run
   */
  async read(stage: string): Promise<Checkpoint | undefined> {
    const path = this.path(stage);
    if (!existsSync(path)) return undefined;
    const { tensors, metadata } = await readSafetensorsFile(path).catch((cause: Error) => {
      throw new SpinegradError('ERR_CHECKPOINT', `${cause.message}; ${AGAIN}`, { cause });
    });
    const position = parsePosition(path, metadata.position);
    for (const key of ['config', 'data'] as const) {
      if (position[key] !== this.origin[key]) {
        throw new SpinegradError(
          'ERR_CHECKPOINT',
          `${path}: was made with other ${key === 'config' ? 'settings' : 'data'} (${position[key].slice(0, 12)}, now ` +
            `${this.origin[key].slice(0, 12)}); resume with the same, or start anew in another --out folder`,
        );
      }
    }
    if (metadata.sha256 !== checksum(tensors)) {
      throw new SpinegradError(
        'ERR_CHECKPOINT',
        `${path}: found tensors that do not fit their checksum, expected those that were written; ${AGAIN}`,
      );
    }
    const groups: Checkpoint['groups'] = { weights: new Map(), best: new Map(), optimizer: new Map() };
    for (const [name, tensor] of tensors) {
      const [group, ...rest] = name.split('/');
      groups[group as keyof typeof groups]?.set(rest.join('/'), tensor);
    }
    return { position, groups };
  }
}

function checksum(tensors: ReadonlyMap<string, { shape: readonly number[]; data: ArrayBufferView }>): string {
  const hash = createHash('sha256');
  for (const name of [...tensors.keys()].sort()) {
    const { shape, data } = tensors.get(name)!;
    hash.update(`${name} [${shape}]`);
    hash.update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  }
  return hash.digest('hex');
}

function parsePosition(path: string, text: string | undefined): Position {
  try {
    return positionSchema.parse(JSON.parse(text ?? ''));
  } catch (cause) {
    throw new SpinegradError(
      'ERR_CHECKPOINT',
      `${path}: found a position that this version cannot read, expected one that it wrote; ${AGAIN}`,
      { cause },
    );
  }
}
