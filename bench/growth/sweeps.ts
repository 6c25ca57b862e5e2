/** What grows: works of bench/peers, at sizes from the smallest to the largest that anyone would use. */
import { convolutions, REAL } from '../kernels/cases.js';
import type { Options } from '../peers/job.js';

export interface Sweep {
  name: string;
  work: string;
  /** What the sizes count. */
  unit: string;
  sizes: readonly number[];
  options(size: number): Options;
  /** Multiplications and additions by definition; Winograd's convolution and a symmetric product need fewer. */
  flops?(size: number): number;
}

/** Of one image through ResNet-18 on 1x96x96, its convolutions only. */
const IMAGE_FLOPS = convolutions(REAL).reduce(
  (total, { c, k, filter, stride, side, times }) =>
    total + times * 2 * c * k * filter ** 2 * (side / stride) ** 2,
  0,
);
const EMBEDDING = 128;

export const STUDIES = [100, 500, 1000, 2000] as const;

const powers = (from: number, to: number, factor: number): number[] =>
  from > to ? [] : [from, ...powers(from * factor, to, factor)];

/** `folders` of studies by their number. */
export const sweeps = (folders: ReadonlyMap<number, string>): Sweep[] => [
  {
    name: 'training step',
    work: 'training',
    unit: 'views',
    sizes: powers(1, 256, 2),
    options: (batch) => ({ task: 'finetuning', batch }),
    flops: (batch) => 3 * batch * IMAGE_FLOPS,
  },
  {
    name: 'inference',
    work: 'inference',
    unit: 'images',
    sizes: powers(1, 256, 2),
    options: (batch) => ({ batch }),
    flops: (batch) => batch * IMAGE_FLOPS,
  },
  {
    name: 'InfoNCE forward and backward',
    work: 'contrast',
    unit: 'embeddings',
    sizes: powers(256, 65_536, 4),
    options: (rows) => ({ rows }),
    flops: (rows) => 3 * 2 * rows ** 2 * EMBEDDING,
  },
  {
    name: 'prepare',
    work: 'prepare',
    unit: 'studies',
    sizes: [...folders.keys()],
    options: (studies) => ({ data: folders.get(studies)! }),
  },
];
