/** ResNet-18 on images of one channel: its layers and parameters, at the sizes of training or at small ones. */
import type { Shape } from '#spinegrad/engine/tensor.js';

/** Sizes of all cases: those of training, or small ones to test the bench. */
export interface Scale {
  /** Images of ResNet-18. */
  batch: number;
  /** Side of an image. */
  side: number;
  /** Channels of ResNet-18's first stage. */
  width: number;
  /** Embeddings of InfoNCE. */
  embeddings: number;
  /** Values of a loss or an elementwise operation. */
  values: number;
}

export const REAL: Scale = { batch: 64, side: 96, width: 64, embeddings: 4096, values: 1 << 22 };
export const SMALL: Scale = { batch: 2, side: 32, width: 8, embeddings: 40, values: 1000 };

/** The convolutions of ResNet-18: input and output channels, filter, stride, side of the input, number of layers. */
export const convolutions = ({ width: w, side }: Scale) =>
  [
    { c: 1, k: w, filter: 7, stride: 2, side, count: 1 },
    { c: w, k: w, filter: 3, stride: 1, side: side / 4, count: 4 },
    { c: w, k: 2 * w, filter: 3, stride: 2, side: side / 4, count: 1 },
    { c: w, k: 2 * w, filter: 1, stride: 2, side: side / 4, count: 1 },
    { c: 2 * w, k: 2 * w, filter: 3, stride: 1, side: side / 8, count: 3 },
    { c: 2 * w, k: 4 * w, filter: 3, stride: 2, side: side / 8, count: 1 },
    { c: 2 * w, k: 4 * w, filter: 1, stride: 2, side: side / 8, count: 1 },
    { c: 4 * w, k: 4 * w, filter: 3, stride: 1, side: side / 16, count: 3 },
    { c: 4 * w, k: 8 * w, filter: 3, stride: 2, side: side / 16, count: 1 },
    { c: 4 * w, k: 8 * w, filter: 1, stride: 2, side: side / 16, count: 1 },
    { c: 8 * w, k: 8 * w, filter: 3, stride: 1, side: side / 32, count: 3 },
  ] as const;

/** The batch norms of ResNet-18: channels, side, fused ReLU and residual, number of layers. */
export const batchNorms = ({ width: w, side }: Scale) => [
  { c: w, side: side / 2, relu: true, residual: false, count: 1 },
  ...[0, 1, 2, 3].flatMap((stage) => {
    const shape = { c: w << stage, side: side / (4 << stage) };
    const block = [
      { ...shape, relu: true, residual: false, count: 2 },
      { ...shape, relu: true, residual: true, count: 2 },
    ];
    return stage === 0 ? block : [...block, { ...shape, relu: false, residual: false, count: 1 }];
  }),
];

/** Shapes of ResNet-18's parameters. */
export const parameters = (scale: Scale): Shape[] => [
  ...convolutions(scale).flatMap(({ c, k, filter, count }) =>
    Array<Shape>(count).fill([k, c, filter, filter]),
  ),
  ...batchNorms(scale).flatMap(({ c, count }) => Array<Shape>(2 * count).fill([c])),
];
