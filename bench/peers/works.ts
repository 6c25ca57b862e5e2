/** What is compared: the table of `npm run bench:peers`. */
import type { Options } from './job.js';

/** How many times as fast as a peer spinegrad is to be. */
export interface Target {
  ratio: number;
  /** PyTorch as it is, or with a malloc that keeps its pages. */
  peer: 'default' | 'tuned';
  /** Against these variants only; by default against the fastest. */
  variants?: readonly string[];
  name: string;
}

export interface Comparison {
  label: string;
  work: string;
  options: Options;
  /** What a call does on both sides. */
  same: string;
  /** Calls in a sample. */
  calls: number;
  /** The largest difference of what both compute, as a share of the largest value of the same array. */
  bound: number;
  targets: readonly Target[];
}

const fastest = (ratio: number): Target => ({ ratio, peer: 'default', name: 'the fastest' });
const both = (ratio: number, tuned: number): Target[] => [
  fastest(ratio),
  { ratio: tuned, peer: 'tuned', name: 'malloc tuned' },
];

const inference = (batch: number, ratio: number): Comparison => ({
  label: `inference, batch ${batch}`,
  work: 'inference',
  options: { batch },
  same: 'pixels on the host to logits on the host: ResNet-18 on 1x96x96, batch norms folded, one linear layer',
  calls: batch === 64 ? 2 : 20,
  bound: 1e-4,
  targets: [fastest(ratio)],
});

const contrast = (rows: number, naive: number, compiled: number): Comparison => ({
  label: `InfoNCE forward and backward, N = ${rows}`,
  work: 'contrast',
  options: { rows },
  same: 'loss and gradient of N embeddings of length 128, four positives a row, temperature 0.1',
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
      work: 'training',
      options: { task: 'pretraining', batch: 64 },
      same:
        'two augmented views of each disc from the bank, ResNet-18 on 1x96x96, projection 512-512-128, InfoNCE, ' +
        'gradients clipped to a norm, AdamW; both draw their own random numbers',
      calls: 3,
      bound: 2e-3,
      targets: both(2.2, 2),
    },
  ],
  finetuning: [
    {
      label: 'fine-tuning step, batch 64',
      work: 'training',
      options: { task: 'finetuning', batch: 64 },
      same:
        'augmented views from the bank, ResNet-18, dropout, linear layer, weighted focal loss, gradients clipped to a ' +
        'norm, AdamW with a rate for each stage',
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
      work: 'focal',
      options: { rows: 1_000_000 },
      same: 'weighted focal loss, gamma 2, and its gradient',
      calls: 3,
      bound: 1e-4,
      targets: [fastest(3)],
    },
  ],
  augmentation: [
    {
      label: 'augmentation of 64 views',
      work: 'augmentation',
      options: { batch: 64 },
      same:
        'affine map, blur, gamma, contrast, brightness, Rician noise, cutout, normalisation of 96x96 pixels; ours from ' +
        'uint16, PyTorch from float32; what is compared are views under the same maps',
      calls: 5,
      bound: 1e-3,
      targets: [fastest(5)],
    },
  ],
  dicom: ['uncompressed', 'JPEG 2000'].map((kind) => ({
    label: `DICOM file to region of interest, ${kind}`,
    work: 'dicom',
    options: { files: kind },
    same: 'read, parse, decode, robust window, crop of 60 mm to 96x96 in 16 bits; on one core; synthetic files',
    calls: 2,
    bound: 2e-4,
    targets: [fastest(kind === 'uncompressed' ? 3 : 1)],
  })),
};

/** So small that a test can run it. */
export const DRY: Comparison = {
  label: 'focal loss, 10 x 3',
  work: 'focal',
  options: { rows: 10 },
  same: 'weighted focal loss and its gradient',
  calls: 1,
  bound: 1e-4,
  targets: [],
};
