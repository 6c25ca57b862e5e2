/**
 * A checkpoint is one safetensors file per stage: the weights of its modules, the weights of the best epoch, their
 * average, the state of the optimizer, and in the metadata the position of the stage and the hashes of settings and data.
 * It is written atomically, so a run that is killed at any moment finds a complete one, and it holds a checksum of its
 * tensors. All random streams follow from (seed, purpose, epoch, step), so the position is the state of every generator.
 */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { SpinegradError } from '../error.js';
import { makeSubfolder } from '../io/atomic.js';
import { parseJson } from '../io/json.js';
import { readSafetensorsFile, type StoredTensor, writeSafetensors } from '../io/safetensors.js';
import type { Values } from '../nn/values.js';

const positionSchema = z.object({
  version: z.literal(1),
  /** Hash of the configuration. */
  config: z.string(),
  /** Fingerprint of the bank. */
  data: z.string(),
  /** The next step: `step` steps of epoch `epoch` (from 1) are done. */
  epoch: z.number().int(),
  step: z.number().int(),
  /** Sum of the losses of these steps. */
  lossSum: z.number(),
  /** 0 before the first validation. */
  bestEpoch: z.number().int(),
  /** Time spent on the stage so far, over all resumed runs. */
  seconds: z.number(),
  done: z.boolean(),
});

const RETRAIN = 'delete that file and resume: this stage is trained again, the others are kept';

export type Position = z.output<typeof positionSchema>;

const GROUPS = ['weights', 'best', 'average', 'optimizer'] as const;
type GroupName = (typeof GROUPS)[number];

export interface Checkpoint<Row> {
  position: Position;
  /** The rows of the log up to the position. */
  rows: Row[];
  /** Tensors by group and name. */
  groups: Record<GroupName, Map<string, StoredTensor>>;
}

export class CheckpointStore {
  readonly #dir: string;
  readonly #runDir: string;

  constructor(
    runDir: string,
    private readonly origin: Pick<Position, 'config' | 'data'>,
  ) {
    this.#runDir = runDir;
    this.#dir = join(runDir, 'checkpoints');
  }

  path(stage: string): string {
    return join(this.#dir, `${stage}.safetensors`);
  }

  async write(
    stage: string,
    position: Omit<Position, 'version' | 'config' | 'data'> & { rows: readonly object[] },
    groups: Record<Exclude<GroupName, 'average'>, Values> & { average?: Values },
  ): Promise<void> {
    await makeSubfolder(this.#runDir, 'checkpoints');
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
   * Reads the checkpoint of a stage; undefined if it has none.
   *
   * @param row schema of the rows of the stage's log
   * @throws SpinegradError ERR_CHECKPOINT if the file is damaged or belongs to another run
   */
  async read<Row>(stage: string, row: z.ZodType<Row>): Promise<Checkpoint<Row> | undefined> {
    const path = this.path(stage);
    if (!existsSync(path)) return undefined;
    const { tensors, metadata } = await readSafetensorsFile(path).catch((cause: Error) => {
      throw new SpinegradError('ERR_CHECKPOINT', `${cause.message}; ${RETRAIN}`, { cause });
    });
    const { rows, ...position } = parsePosition(path, metadata.position, row);
    for (const key of ['config', 'data'] as const) {
      if (position[key] !== this.origin[key]) {
        throw new SpinegradError(
          'ERR_CHECKPOINT',
          `${path}: was written with other ${key === 'config' ? 'settings' : 'data'} (hash ${position[key].slice(0, 12)}, ` +
            `now ${this.origin[key].slice(0, 12)}); resume with the same ones, or start a new run in another --out folder`,
        );
      }
    }
    if (metadata.sha256 !== checksum(tensors)) {
      throw new SpinegradError(
        'ERR_CHECKPOINT',
        `${path}: found tensors that do not match their checksum; the file is damaged; ${RETRAIN}`,
      );
    }
    const groups = Object.fromEntries(GROUPS.map((group) => [group, new Map()])) as Checkpoint<Row>['groups'];
    for (const [name, tensor] of tensors) {
      const [group, ...rest] = name.split('/');
      groups[group as GroupName]?.set(rest.join('/'), tensor);
    }
    return { position, rows, groups };
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

function parsePosition<Row>(path: string, text: string | undefined, row: z.ZodType<Row>) {
  try {
    return positionSchema.extend({ rows: z.array(row) }).parse(parseJson(text ?? ''));
  } catch (cause) {
    throw new SpinegradError(
      'ERR_CHECKPOINT',
      `${path}: found a position that this version of spinegrad did not write; ${RETRAIN}`,
      { cause },
    );
  }
}
