/** The workloads of bench/peers with a size, and the sizes to measure. */
import { convolutions, REAL } from '../kernels/resnet18.js';
import type { Options } from '../peers/job.js';

export interface Sweep {
  name: string;
  workload: string;
  /** Unit of the sizes. */
  unit: string;
  sizes: readonly number[];
  options(size: number): Options;
  /** Multiplications and additions of the definition. Winograd and symmetric products need fewer. */
  flops?(size: number): number;
}

/** FLOP of the convolutions of ResNet-18 for one image of 1x96x96. */
const IMAGE_FLOPS = convolutions(REAL).reduce(
  (total, { c, k, filter, stride, side, count }) =>
    total + count * 2 * c * k * filter ** 2 * (side / stride) ** 2,
  0,
);
const EMBEDDING = 128;

export const STUDIES = [100, 500, 1000, 2000] as const;

const powers = (from: number, to: number, factor: number): number[] =>
  from > to ? [] : [from, ...powers(from * factor, to, factor)];

/** @param folders folder of studies by number of studies */
export const sweeps = (folders: ReadonlyMap<number, string>): Sweep[] => [
  {
    name: 'training step',
    workload: 'training',
    unit: 'views',
    sizes: powers(1, 256, 2),
    options: (batch) => ({ task: 'finetuning', batch }),
    flops: (batch) => 3 * batch * IMAGE_FLOPS,
  },
  {
    name: 'inference',
    workload: 'inference',
    unit: 'images',
    sizes: powers(1, 256, 2),
    options: (batch) => ({ batch }),
    flops: (batch) => batch * IMAGE_FLOPS,
  },
  {
    name: 'InfoNCE forward and backward',
    workload: 'contrast',
    unit: 'embeddings',
    sizes: powers(256, 65_536, 4),
    options: (rows) => ({ rows }),
    flops: (rows) => 3 * 2 * rows ** 2 * EMBEDDING,
  },
  {
    name: 'prepare',
    workload: 'prepare',
    unit: 'studies',
    sizes: [...folders.keys()],
    options: (studies) => ({ data: folders.get(studies)! }),
  },
];
