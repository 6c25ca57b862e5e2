/**
 * The one table that drives the bench: each operation of the engine, at the shapes at which ResNet-18 on 1x96x96 and
 * its training meet it. A case calls the typed operation; which native calls that makes, forward and backward, and
 * what they read and write is found by recording them (calls.ts), so nothing of it is told twice.
 *
 * What the table does tell:
 *
 * - `flops` of the calls that multiply matrices, a multiplication and an addition being two: those that the definition
 *   needs. Winograd's convolution does fewer, so its rate may exceed what the machine can do. Calls that are not
 *   listed do little arithmetic on each byte; they are measured against memory alone.
 * - `bytes` where they are not what each call must move at least: every tensor it takes read once, every tensor it
 *   gives written once, at its logical size.
 * - `times`: how often a training step of ResNet-18 makes the calls.
 */
import type { Device } from '#spinegrad/engine/device.js';
import { adamW } from '#spinegrad/engine/ops/adamW.js';
import { add } from '#spinegrad/engine/ops/add.js';
import { augment } from '#spinegrad/engine/ops/augment.js';
import { batchNorm2d } from '#spinegrad/engine/ops/batchNorm2d.js';
import { clipGradNorm } from '#spinegrad/engine/ops/clipGradNorm.js';
import { conv2d } from '#spinegrad/engine/ops/conv2d.js';
import { copy } from '#spinegrad/engine/ops/copy.js';
import { dropout } from '#spinegrad/engine/ops/dropout.js';
import { ema } from '#spinegrad/engine/ops/ema.js';
import { focalLoss } from '#spinegrad/engine/ops/focalLoss.js';
import { gather } from '#spinegrad/engine/ops/gather.js';
import { globalAvgPool2d } from '#spinegrad/engine/ops/globalAvgPool2d.js';
import { infoNCE } from '#spinegrad/engine/ops/infoNCE.js';
import { l2Normalize } from '#spinegrad/engine/ops/l2Normalize.js';
import { linear } from '#spinegrad/engine/ops/linear.js';
import { logSoftmax } from '#spinegrad/engine/ops/logSoftmax.js';
import { maxPool2d } from '#spinegrad/engine/ops/maxPool2d.js';
import { mse } from '#spinegrad/engine/ops/mse.js';
import { mul } from '#spinegrad/engine/ops/mul.js';
import { relu } from '#spinegrad/engine/ops/relu.js';
import { sgd } from '#spinegrad/engine/ops/sgd.js';
import { smoothL1 } from '#spinegrad/engine/ops/smoothL1.js';
import { softArgmax2d } from '#spinegrad/engine/ops/softArgmax2d.js';
import { softmax } from '#spinegrad/engine/ops/softmax.js';
import { sum } from '#spinegrad/engine/ops/sum.js';
import { type Shape, sizeOf, type Tensor } from '#spinegrad/engine/tensor.js';
import { type Input, images, integers, normals, uniforms } from './inputs.js';

/** Sizes of everything: those of real training, or small ones to try the bench itself. */
export interface Scale {
  /** Images of ResNet-18. */
  batch: number;
  /** Side of an image. */
  side: number;
  /** Channels of ResNet-18's first stage. */
  width: number;
  /** Embeddings under one InfoNCE. */
  embeddings: number;
  /** Values of a loss or an elementwise operation. */
  values: number;
}

export const REAL: Scale = { batch: 64, side: 96, width: 64, embeddings: 4096, values: 1 << 22 };
export const SMALL: Scale = { batch: 2, side: 32, width: 8, embeddings: 40, values: 1000 };

type Tensors = Readonly<Record<string, Tensor>>;
export type Options = Readonly<Record<string, unknown>>;

export interface Case {
  label: string;
  inputs: Readonly<Record<string, Input>>;
  /** Which inputs want a gradient. */
  gradients?: readonly string[];
  options?: Options;
  flops?: Readonly<Record<string, number>>;
  bytes?: Readonly<Record<string, number>>;
  times?: number;
}

export interface OperationCases {
  /** Returns what the operation gives; its gradient is taken where a case wants one. */
  // biome-ignore lint/suspicious/noExplicitAny: options are those of the operation that the cases are of
  run(inputs: Tensors, options: any, device: Device): Tensor | undefined;
  cases(scale: Scale): readonly Case[];
}

const bytesOf = (...shapes: Shape[]): number => 4 * shapes.reduce((total, shape) => total + sizeOf(shape), 0);

/** The convolutions of ResNet-18: channels in and out, filter, stride, side of the input, how many there are. */
export const convolutions = ({ width: w, side }: Scale) =>
  [
    { c: 1, k: w, filter: 7, stride: 2, side, times: 1 },
    { c: w, k: w, filter: 3, stride: 1, side: side / 4, times: 4 },
    { c: w, k: 2 * w, filter: 3, stride: 2, side: side / 4, times: 1 },
    { c: w, k: 2 * w, filter: 1, stride: 2, side: side / 4, times: 1 },
    { c: 2 * w, k: 2 * w, filter: 3, stride: 1, side: side / 8, times: 3 },
    { c: 2 * w, k: 4 * w, filter: 3, stride: 2, side: side / 8, times: 1 },
    { c: 2 * w, k: 4 * w, filter: 1, stride: 2, side: side / 8, times: 1 },
    { c: 4 * w, k: 4 * w, filter: 3, stride: 1, side: side / 16, times: 3 },
    { c: 4 * w, k: 8 * w, filter: 3, stride: 2, side: side / 16, times: 1 },
    { c: 4 * w, k: 8 * w, filter: 1, stride: 2, side: side / 16, times: 1 },
    { c: 8 * w, k: 8 * w, filter: 3, stride: 1, side: side / 32, times: 3 },
  ] as const;

/** Its batch norms: channels, side, what is fused behind. */
export const norms = ({ width: w, side }: Scale) => [
  { c: w, side: side / 2, relu: true, residual: false, times: 1 },
  ...[0, 1, 2, 3].flatMap((stage) => {
    const at = { c: w << stage, side: side / (4 << stage) };
    const block = [
      { ...at, relu: true, residual: false, times: 2 },
      { ...at, relu: true, residual: true, times: 2 },
    ];
    return stage === 0 ? block : [...block, { ...at, relu: false, residual: false, times: 1 }];
  }),
];

/** Shapes of ResNet-18's parameters: what optimizers meet. */
export const parameters = (scale: Scale): Shape[] => [
  ...convolutions(scale).flatMap(({ c, k, filter, times }) =>
    Array<Shape>(times).fill([k, c, filter, filter]),
  ),
  ...norms(scale).flatMap(({ c, times }) => Array<Shape>(2 * times).fill([c])),
];

/** For operations on lists of tuples: an input `name.i` for each of the tuple's tensors and each parameter. */
const tuples = (scale: Scale, names: readonly string[]): Record<string, Input> =>
  Object.fromEntries(
    names.flatMap((name) => {
      const values = name === 'secondMoment' ? uniforms : normals;
      return parameters(scale).map((shape, index) => [`${name}.${index}`, values(...shape)]);
    }),
  );

function untuple<Name extends string>(inputs: Tensors): Record<Name, Tensor>[] {
  const list: Record<string, Tensor>[] = [];
  for (const [key, tensor] of Object.entries(inputs)) {
    const [name, index] = key.split('.') as [string, string];
    list[Number(index)] = { ...list[Number(index)], [name]: tensor };
  }
  return list as Record<Name, Tensor>[];
}

const optimizer = (names: readonly string[], options: Options): OperationCases['cases'] => {
  return (scale) => [{ label: "ResNet-18's parameters", inputs: tuples(scale, names), options }];
};

const elementwise = (names: readonly string[], options: Options = {}): OperationCases['cases'] => {
  return ({ values }) => {
    const inputs = Object.fromEntries(names.map((name) => [name, normals(values)]));
    return [{ label: `${values} values`, inputs, gradients: names.slice(0, 1), options }];
  };
};

const rows: OperationCases['cases'] = ({ values }) => {
  const n = values / 4;
  return [{ label: `${n} x 3`, inputs: { x: normals(n, 3) }, gradients: ['x'] }];
};

const AUGMENTATION = {
  rotation: 10,
  scale: 0.15,
  translation: 6,
  blur: 0.8,
  gamma: 0.25,
  contrast: 0.25,
  brightness: 0.1,
  noise: 0.04,
  cutout: 0.3,
};

export const OPERATIONS: Readonly<Record<string, OperationCases>> = {
  conv2d: {
    run: ({ x, weight, bias }, options) => conv2d(x!, weight!, { ...options, bias }),
    cases: (scale) => [
      ...convolutions(scale).map(({ c, k, filter, stride, side, times }): Case => {
        const { batch } = scale;
        const flops = 2 * batch * k * (side / stride) ** 2 * c * filter * filter;
        return {
          label: `${filter}x${filter}/${stride}, ${c} -> ${k} at ${side}x${side}`,
          inputs: { x: normals(batch, c, side, side), weight: normals(k, c, filter, filter) },
          gradients: c === 1 ? ['weight'] : ['x', 'weight'], // nothing asks for the gradient of the image
          options: { stride, padding: (filter - 1) / 2 },
          flops: { fprop: flops, dgrad: flops, wgrad: flops },
          times,
        };
      }),
      localizer(scale),
    ],
  },

  linear: {
    run: ({ x, weight, bias }) => linear(x!, weight!, bias),
    cases: ({ batch, width }) =>
      [
        [8 * width, 8 * width],
        [8 * width, 128],
        [8 * width, 3],
      ].map(([c, k]) => {
        const flops = 2 * batch * c! * k!;
        return {
          label: `${c} -> ${k}`,
          inputs: { x: normals(batch, c!), weight: normals(k!, c!), bias: normals(k!) },
          gradients: ['x', 'weight', 'bias'],
          flops: { fprop: flops, dgrad: flops, wgrad: flops },
        };
      }),
  },

  batchNorm2d: {
    run: ({ x, weight, bias, runningMean, runningVariance, residual }, options) =>
      batchNorm2d(x!, weight!, bias!, runningMean!, runningVariance!, { ...options, residual }),
    cases: (scale) => {
      const one = ({ c, side, relu, residual }: ReturnType<typeof norms>[number], training: boolean) => ({
        label: `${c} at ${side}x${side}${residual ? ' + residual' : ''}${relu ? ', ReLU' : ''}`,
        inputs: {
          x: normals(scale.batch, c, side, side),
          weight: normals(c),
          bias: normals(c),
          runningMean: normals(c),
          runningVariance: uniforms(c),
          ...(residual && { residual: normals(scale.batch, c, side, side) }),
        },
        gradients: ['x', 'weight', 'bias', ...(residual ? ['residual'] : [])],
        options: { training, relu },
      });
      const all = norms(scale);
      return [...all.map((norm) => ({ ...one(norm, true), times: norm.times })), one(all[2]!, false)];
    },
  },

  maxPool2d: {
    run: ({ x }, { kernel, ...options }) => maxPool2d(x!, kernel, options),
    cases: ({ batch, width, side }) => [
      {
        label: `3x3/2, ${width} at ${side / 2}x${side / 2}`,
        inputs: { x: normals(batch, width, side / 2, side / 2) },
        gradients: ['x'],
        options: { kernel: 3, stride: 2, padding: 1 },
        times: 1,
      },
    ],
  },

  globalAvgPool2d: {
    run: ({ x }) => globalAvgPool2d(x!),
    cases: ({ batch, width, side }) => [
      {
        label: `${8 * width} at ${side / 32}x${side / 32}`,
        inputs: { x: normals(batch, 8 * width, side / 32, side / 32) },
        gradients: ['x'],
        times: 1,
      },
    ],
  },

  l2Normalize: {
    run: ({ x }) => l2Normalize(x!),
    cases: ({ embeddings: n }) => [{ label: `${n} x 128`, inputs: { x: normals(n, 128) }, gradients: ['x'] }],
  },

  infoNCE: {
    run: ({ embeddings, labels }, options) => infoNCE(embeddings!, labels!, options),
    // S = E E^T is symmetric, so half of it is enough: N^2 D. Backward makes it again and multiplies twice with it.
    cases: ({ embeddings, batch }) =>
      [
        { n: batch, label: 'the batch x 128' },
        { n: embeddings, label: `${embeddings} x 128` },
      ].map(({ n, label }) => ({
        label: `${label}, 2 of a label`,
        inputs: { embeddings: normals(n, 128), labels: integers(n / 2, n) },
        gradients: ['embeddings'],
        options: { temperature: 1 }, // rows are not of length 1 here
        flops: { forward: n * n * 128, backward: 3 * n * n * 128 },
      })),
  },

  focalLoss: {
    run: ({ logits, targets }, options) => focalLoss(logits!, targets!, options),
    cases: ({ values }) => {
      const n = values / 4;
      const one = (form: string, targets: Input): Case => ({
        label: `${n} x 3, ${form}`,
        inputs: { logits: normals(n, 3), targets },
        gradients: ['logits'],
        options: { form, gamma: 2 },
      });
      return [one('softmax', integers(3, n)), one('sigmoid', uniforms(n, 3))];
    },
  },

  softmax: { run: ({ x }) => softmax(x!), cases: rows },
  logSoftmax: { run: ({ x }) => logSoftmax(x!), cases: rows },
  mse: { run: ({ x, target }) => mse(x!, target!), cases: elementwise(['x', 'target']) },
  smoothL1: {
    run: ({ x, target }, { beta }) => smoothL1(x!, target!, { beta }),
    cases: elementwise(['x', 'target'], { beta: 0.02 }),
  },

  softArgmax2d: {
    run: ({ x }) => softArgmax2d(x!),
    cases: ({ batch, side }) => [
      {
        label: `6 maps of ${side / 4}x${side / 4}`,
        inputs: { x: normals(batch, 6, side / 4, side / 4) },
        gradients: ['x'],
      },
    ],
  },

  augment: {
    run: ({ bank, indices }, options) => augment(bank!, indices!, { seed: 1, step: 1 }, options),
    cases: ({ batch, side }) => [
      {
        label: `views of ${side}x${side}`,
        inputs: { bank: images(4 * batch, side, side), indices: integers(4 * batch, batch) },
        options: AUGMENTATION,
        bytes: { forward: batch * (4 + (2 + 4) * side * side) }, // an image a view is read, not the bank
        times: 1,
      },
    ],
  },

  relu: { run: ({ x }) => relu(x!), cases: elementwise(['x']) },
  add: { run: ({ x, y }) => add(x!, y!), cases: elementwise(['x', 'y']) },
  mul: {
    run: ({ x, y }, { factor }) => mul(x!, factor ?? y!),
    cases: (scale) => [
      ...elementwise(['x', 'y'])(scale),
      ...elementwise(['x'], { factor: 1.5 })(scale).map((one) => ({
        ...one,
        label: `${one.label}, by a number`,
        gradients: [],
      })),
    ],
  },
  sum: { run: ({ x }) => sum(x!), cases: elementwise(['x']) },
  copy: { run: ({ x }) => copy(x!), cases: elementwise(['x']) },
  full: {
    run: (_, { shape }, device) => device.full(shape, 1),
    cases: ({ values }) => [{ label: `${values} values`, inputs: {}, options: { shape: [values] } }],
  },
  dropout: {
    run: ({ x }, options) => dropout(x!, options),
    cases: elementwise(['x'], { p: 0.2, seed: 1, step: 1 }),
  },

  gather: {
    run: ({ x, indices }) => gather(x!, indices!),
    cases: ({ embeddings: n }) => [
      {
        label: `${n} of ${4 * n} rows of 128`,
        inputs: { x: normals(4 * n, 128), indices: integers(4 * n, n) },
        gradients: ['x'],
        bytes: { forward: bytesOf([n, 128], [n, 128], [n]) }, // rows that are not taken are not read
      },
    ],
  },

  adamW: {
    run: (inputs, options) => {
      adamW(untuple<'parameter' | 'gradient' | 'firstMoment' | 'secondMoment'>(inputs), options);
      return undefined;
    },
    cases: (scale) =>
      optimizer(['parameter', 'gradient', 'firstMoment', 'secondMoment'], {
        learningRate: 1e-3,
        step: 100,
      })(scale).map((one) => ({ ...one, times: 1 })),
  },
  sgd: {
    run: (inputs, options) => {
      sgd(untuple<'parameter' | 'gradient' | 'velocity'>(inputs), options);
      return undefined;
    },
    cases: optimizer(['parameter', 'gradient', 'velocity'], { learningRate: 1e-3, momentum: 0.9 }),
  },
  ema: {
    run: (inputs, { decay }) => {
      ema(untuple<'source' | 'target'>(inputs), decay);
      return undefined;
    },
    cases: optimizer(['source', 'target'], { decay: 0.99 }),
  },
  clipGradNorm: {
    run: (inputs, { maxNorm }) => {
      const gradients = untuple<'gradient'>(inputs);
      return clipGradNorm(
        gradients.map(({ gradient }) => ({ grad: gradient }) as unknown as Tensor),
        maxNorm,
      );
    },
    cases: (scale) =>
      // Under the limit, as most steps are: read, not written.
      optimizer(['gradient'], { maxNorm: 1e9 })(scale).map((one) => ({
        ...one,
        bytes: { forward: bytesOf(...parameters(scale)) },
        times: 1,
      })),
  },
};

/** The one convolution with a bias: the localizer's head. */
function localizer({ batch, width, side }: Scale): Case {
  const flops = 2 * batch * 6 * (side / 8) ** 2 * 4 * width;
  return {
    label: `1x1/1 + bias, ${4 * width} -> 6 at ${side / 8}x${side / 8}`,
    inputs: {
      x: normals(batch, 4 * width, side / 8, side / 8),
      weight: normals(6, 4 * width, 1, 1),
      bias: normals(6),
    },
    gradients: ['x', 'weight', 'bias'],
    options: { stride: 1, padding: 0 },
    flops: { fprop: flops, dgrad: flops, wgrad: flops },
  };
}
