/** The comparisons of `npm run bench:peers`. */
import type { Options } from './job.js';

/** Required speed relative to a peer. */
export interface Target {
  /** Minimum of peer time / spinegrad time. */
  ratio: number;
  /** PyTorch, or PyTorch with a malloc that keeps its pages. */
  peer: 'default' | 'tuned';
  /** The variants to compare with; default: the fastest of all. */
  variants?: readonly string[];
  name: string;
}

export interface Comparison {
  label: string;
  workload: string;
  options: Options;
  /** What one call computes on both sides. */
  description: string;
  /** Calls per sample. */
  calls: number;
  /** Maximum difference of the results, relative to the largest value of the array. */
  bound: number;
  targets: readonly Target[];
}

const fastest = (ratio: number): Target => ({ ratio, peer: 'default', name: 'fastest' });
const both = (ratio: number, tuned: number): Target[] => [
  fastest(ratio),
  { ratio: tuned, peer: 'tuned', name: 'malloc tuned' },
];

const inference = (batch: number, ratio: number): Comparison => ({
  label: `inference, batch ${batch}`,
  workload: 'inference',
  options: { batch },
  description:
    'pixels on the host to logits on the host: ResNet-18 on 1x96x96, batch norms folded, one linear layer',
  calls: batch === 64 ? 2 : 20,
  bound: 1e-4,
  targets: [fastest(ratio)],
});

const contrast = (rows: number, naive: number, compiled: number): Comparison => ({
  label: `InfoNCE forward and backward, N = ${rows}`,
  workload: 'contrast',
  options: { rows },
  description: 'loss and gradient of N embeddings of length 128, four positives per row, temperature 0.1',
  calls: rows < 4096 ? 5 : 1,
  bound: 1e-4,
  targets: [
    { ratio: naive, peer: 'default', variants: ['eager'], name: 'eager' },
    { ratio: compiled, peer: 'default', variants: ['compile'], name: 'compile' },
  ],
});

export const COMPARISONS: Readonly<Record<string, readonly Comparison[]>> = {
  pretraining: [
    {
      label: 'pretraining step, 32 discs (64 views)',
      workload: 'training',
      options: { task: 'pretraining', batch: 64 },
      description:
        'two augmented views of each disc from the bank, ResNet-18 on 1x96x96, projection 512-512-128, InfoNCE, ' +
        'clipping of the gradient norm, AdamW; each side draws its own random numbers',
      calls: 3,
      bound: 2e-3,
      targets: both(2.2, 2),
    },
  ],
  finetuning: [
    {
      label: 'fine-tuning step, batch 64',
      workload: 'training',
      options: { task: 'finetuning', batch: 64 },
      description:
        'augmented views from the bank, ResNet-18, dropout, linear layer, weighted focal loss, clipping of the ' +
        'gradient norm, AdamW with one learning rate per stage',
      calls: 3,
      bound: 2e-3,
      targets: both(2.2, 2),
    },
  ],
  inference: [inference(64, 1.6), inference(5, 1.5), inference(1, 1.6)],
  contrast: [contrast(1024, 4, 3), contrast(4096, 10, 4.5), contrast(8192, 12, 4.5)],
  focal: [
    {
      label: 'focal loss forward and backward, 1,000,000 x 3',
      workload: 'focal',
      options: { rows: 1_000_000 },
      description: 'weighted focal loss, gamma 2, and its gradient',
      calls: 3,
      bound: 1e-4,
      targets: [fastest(3)],
    },
  ],
  augmentation: [
    {
      label: 'augmentation of 64 views',
      workload: 'augmentation',
      options: { batch: 64 },
      description:
        'affine map, blur, gamma, contrast, brightness, Rician noise, cutout, normalization of 96x96 pixels; spinegrad ' +
        'from uint16, PyTorch from float32; the compared results are views with the same affine maps',
      calls: 5,
      bound: 1e-3,
      targets: [fastest(5)],
    },
  ],
  dicom: ['uncompressed', 'JPEG 2000'].map((kind) => ({
    label: `DICOM file to region of interest, ${kind}`,
    workload: 'dicom',
    options: { files: kind },
    description:
      'read, parse, decode, robust window, crop of 60 mm to 96x96 in 16 bits; one core, synthetic files',
    calls: 2,
    bound: 2e-4,
    targets: [fastest(kind === 'uncompressed' ? 3 : 1)],
  })),
};

/** A small comparison for dry runs. */
export const DRY_RUN: Comparison = {
  label: 'focal loss, 10 x 3',
  workload: 'focal',
  options: { rows: 10 },
  description: 'weighted focal loss and its gradient',
  calls: 1,
  bound: 1e-4,
  targets: [],
};
