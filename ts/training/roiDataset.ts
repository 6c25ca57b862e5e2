/**
 * The ROIs of a bank for training: all pixels in one device buffer, and the discs of each side of the split with their
 * rows. Views are made on the device from row indices, so a batch uploads a few hundred bytes.
 */
import type { Level } from '../anatomy.js';
import type { BankManifest, RoiRecord, Split } from '../data/types.js';
import type { Device } from '../engine/device.js';
import { type AugmentKeys, type AugmentOptions, augment } from '../engine/ops/augment.js';
import { type Tensor, tidy } from '../engine/tensor.js';
import { SpinegradError } from '../error.js';
import { measureNormalisation, type Normalisation } from '../model/normalisation.js';
import type { Task } from '../tasks/task.js';
import type { Config } from './config.js';

export interface Disc {
  /** Number of the disc in the bank. */
  id: number;
  studyId: string;
  level: Level;
  /** Index into the task's grades; null without a label. */
  grade: number | null;
  /** Row of the annotated slice. */
  row: number;
  /** That row and those of the neighbouring slices. */
  rows: number[];
}

export type GradedDisc = Disc & { grade: number };

/** The part of a bank that the dataset reads. */
export interface RoiBank {
  manifest: {
    roi: Pick<BankManifest['roi'], 'size'>;
    tasks: readonly Task[];
    rois: readonly Pick<
      RoiRecord,
      'disc' | 'row' | 'studyId' | 'level' | 'grades' | 'sliceOffset' | 'split'
    >[];
  };
  /** uint16 [rows, size, size] */
  rois: Uint16Array;
}

export class RoiDataset {
  readonly task: Task;
  readonly normalisation: Normalisation;
  readonly #bySplit: Record<Split, Disc[]> = { train: [], validation: [], test: [] };
  readonly #pixels: Tensor;
  readonly #augmentation: AugmentOptions;

  /** @param normalisation of a trained model; by default it is measured on the training discs */
  constructor(
    private readonly device: Device,
    { manifest, rois }: RoiBank,
    augmentation: Config['augmentation'] | null,
    normalisation?: Normalisation,
  ) {
    this.task = onlyTask(manifest.tasks);
    const { size } = manifest.roi;
    this.#pixels = device.tensor(rois, [manifest.rois.length, size, size]).keep();
    const discs = new Map<number, Disc>();
    for (const { disc: id, row, studyId, level, grades, sliceOffset, split } of manifest.rois) {
      let disc = discs.get(id);
      if (!disc) {
        disc = { id, studyId, level, grade: grades[0] ?? null, row, rows: [] };
        discs.set(id, disc);
        this.#bySplit[split].push(disc);
      }
      disc.rows.push(row);
      if (sliceOffset === 0) disc.row = row;
    }
    const trainRows = this.of('train').map(({ row }) => row);
    this.normalisation = normalisation ?? measureNormalisation(rois, size * size, trainRows);
    const { translation = 0, ...strengths } = augmentation ?? {};
    this.#augmentation = { ...strengths, translation: translation * size };
  }

  of(split: Split): readonly Disc[] {
    return this.#bySplit[split];
  }

  graded(split: Split): readonly GradedDisc[] {
    return this.of(split).filter((disc): disc is GradedDisc => disc.grade !== null);
  }

  /** Augmented, normalised views [N, 1, size, size] of bank rows. */
  views(rows: readonly number[], keys: AugmentKeys): Tensor {
    return this.#make(rows, keys, { ...this.normalisation, ...this.#augmentation });
  }

  /** Normalised rows [N, 1, size, size] without augmentation, for evaluation. */
  plain(rows: readonly number[]): Tensor {
    return this.#make(rows, { seed: 0, step: 0 }, this.normalisation);
  }

  #make(rows: readonly number[], keys: AugmentKeys, options: AugmentOptions): Tensor {
    return tidy(() => augment(this.#pixels, this.device.tensor(Int32Array.from(rows)), keys, options));
  }

  dispose(): void {
    this.#pixels.dispose();
  }
}

function onlyTask(tasks: readonly Task[]): Task {
  if (tasks.length === 1) return tasks[0]!;
  throw new SpinegradError(
    'ERR_TASK',
    `training: found the tasks ${tasks.map(({ id }) => id).join(', ')}; expected one, because several tasks cannot be ` +
      'trained together yet',
  );
}
