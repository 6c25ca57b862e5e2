/**
 * The cases of the bench: each operation of the engine, at the shapes of ResNet-18 on 1x96x96 and its training. A case
 * calls the typed operation; calls.ts records the native calls, their tensors and their bytes. A case adds:
 *
 * - `flops` by pass, for matrix products only: multiplications and additions of the definition. Winograd needs fewer,
 *   so its rate can exceed the peak. Other calls are compared with the memory bandwidth only.
 * - `bytes` by pass, if they differ from reading each input and writing each output once.
 * - `count`: number of such calls in a training step of ResNet-18.
 */
import type { Device } from '#spinegrad/engine/device.js';
import { adamW } from '#spinegrad/engine/ops/adamW.js';
import { attentionPool } from '#spinegrad/engine/ops/attentionPool.js';
import { augment } from '#spinegrad/engine/ops/augment.js';
import { batchNorm2d } from '#spinegrad/engine/ops/batchNorm2d.js';
import { bceWithLogits } from '#spinegrad/engine/ops/bceWithLogits.js';
import { clipGradNorm } from '#spinegrad/engine/ops/clipGradNorm.js';
import { concat } from '#spinegrad/engine/ops/concat.js';
import { conv2d } from '#spinegrad/engine/ops/conv2d.js';
import { copy } from '#spinegrad/engine/ops/copy.js';
import { dropout } from '#spinegrad/engine/ops/dropout.js';
import * as elementwise from '#spinegrad/engine/ops/elementwise.js';
import { ema } from '#spinegrad/engine/ops/ema.js';
import { focalLoss } from '#spinegrad/engine/ops/focalLoss.js';
import { gather } from '#spinegrad/engine/ops/gather.js';
import { globalAvgPool2d } from '#spinegrad/engine/ops/globalAvgPool2d.js';
import { infoNCE } from '#spinegrad/engine/ops/infoNCE.js';
import { l2Normalize } from '#spinegrad/engine/ops/l2Normalize.js';
import { lars } from '#spinegrad/engine/ops/lars.js';
import { linear } from '#spinegrad/engine/ops/linear.js';
import { logSoftmax } from '#spinegrad/engine/ops/logSoftmax.js';
import { maxPool2d } from '#spinegrad/engine/ops/maxPool2d.js';
import { mse } from '#spinegrad/engine/ops/mse.js';
import { queryInfoNCE } from '#spinegrad/engine/ops/queryInfoNCE.js';
import { sgd } from '#spinegrad/engine/ops/sgd.js';
import { smoothL1 } from '#spinegrad/engine/ops/smoothL1.js';
import { softArgmax2d } from '#spinegrad/engine/ops/softArgmax2d.js';
import { softmax } from '#spinegrad/engine/ops/softmax.js';
import { sum } from '#spinegrad/engine/ops/sum.js';
import { upsample2d } from '#spinegrad/engine/ops/upsample2d.js';
import { type Shape, sizeOf, type Tensor } from '#spinegrad/engine/tensor.js';
import { bytes, type Input, images, integers, normals, uniforms } from './inputs.js';
import { batchNorms, convolutions, parameters, type Scale } from './resnet18.js';

type Tensors = Readonly<Record<string, Tensor>>;
export type Options = Readonly<Record<string, unknown>>;

export interface Case {
  label: string;
  inputs: Readonly<Record<string, Input>>;
  /** The inputs that require a gradient. */
  gradients?: readonly string[];
  options?: Options;
  flops?: Readonly<Record<string, number>>;
  bytes?: Readonly<Record<string, number>>;
  count?: number;
}

export interface OperationCases {
  /** Runs the operation. The bench also runs the gradient of the result if an input requires one. */
  // biome-ignore lint/suspicious/noExplicitAny: each operation has its own options
  run(inputs: Tensors, options: any, device: Device): Tensor | undefined;
  cases(scale: Scale): readonly Case[];
}

const bytesOf = (...shapes: Shape[]): number => 4 * shapes.reduce((total, shape) => total + sizeOf(shape), 0);

/** Inputs `name.i` for each name and parameter i, for operations on lists of tensor tuples. */
const tuples = (scale: Scale, names: readonly string[]): Record<string, Input> =>
  Object.fromEntries(
    names.flatMap((name) => {
      const values = name === 'secondMoment' ? uniforms : normals;
      return parameters(scale).map((shape, index) => [`${name}.${index}`, values(...shape)]);
    }),
  );

/** The inverse of `tuples`: a list of tuples, one per parameter. */
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

const vectors = (names: readonly string[], options: Options = {}): OperationCases['cases'] => {
  return ({ values }) => {
    const inputs = Object.fromEntries(names.map((name) => [name, normals(values)]));
    return [{ label: `${values} values`, inputs, gradients: names.slice(0, 1), options }];
  };
};

/** Cases of the operations that take one tensor, or two of the same shape. */
function elementwiseCases(): Record<string, OperationCases> {
  // Sorted by name, because module loaders differ in the order of exports.
  const operations = Object.entries(elementwise).sort(([a], [b]) => (a < b ? -1 : 1));
  const cases = operations.map(([name, operation]): [string, OperationCases] => {
    if (operation.length === 1) {
      return [name, { run: ({ x }) => (operation as typeof elementwise.relu)(x!), cases: vectors(['x']) }];
    }
    return [name, { run: ({ x, y }) => operation(x!, y!), cases: vectors(['x', 'y']) }];
  });
  return Object.fromEntries(cases);
}

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
      ...convolutions(scale).map(({ c, k, filter, stride, side, count }): Case => {
        const { batch } = scale;
        const flops = 2 * batch * k * (side / stride) ** 2 * c * filter * filter;
        return {
          label: `${filter}x${filter}/${stride}, ${c} -> ${k} at ${side}x${side}`,
          inputs: { x: normals(batch, c, side, side), weight: normals(k, c, filter, filter) },
          gradients: c === 1 ? ['weight'] : ['x', 'weight'], // images need no gradient
          options: { stride, padding: (filter - 1) / 2 },
          flops: { fprop: flops, dgrad: flops, wgrad: flops },
          count,
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
      const caseOf = (
        { c, side, relu, residual }: ReturnType<typeof batchNorms>[number],
        training: boolean,
      ) => ({
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
      const layers = batchNorms(scale);
      return [
        ...layers.map((layer) => ({ ...caseOf(layer, true), count: layer.count })),
        caseOf(layers[2]!, false),
      ];
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
        count: 1,
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
        count: 1,
      },
    ],
  },

  concat: {
    run: ({ a, b }) => concat([a!, b!], 1),
    cases: ({ batch, width, side }) => {
      const caseOf = (c: number, k: number, size: number): Case => ({
        label: `${c} + ${k} at ${size}x${size}`,
        inputs: { a: normals(batch, c, size, size), b: normals(batch, k, size, size) },
        gradients: ['a'],
        bytes: { backward: 2 * bytesOf([batch, c, size, size]) }, // reads only the slice of dy
      });
      return [caseOf(width, width, side / 2), caseOf(1, 1, side), caseOf(width / 4 + 1, width, side / 4)];
    },
  },

  upsample2d: {
    run: ({ x }, options) => upsample2d(x!, options),
    cases: ({ batch, width, side }) => [
      {
        label: `x2, ${width} at ${side / 4}x${side / 4}`,
        inputs: { x: normals(batch, width, side / 4, side / 4) },
        gradients: ['x'],
        options: { scale: 2 },
      },
    ],
  },

  l2Normalize: {
    run: ({ x }) => l2Normalize(x!),
    cases: ({ embeddings: n }) => [{ label: `${n} x 128`, inputs: { x: normals(n, 128) }, gradients: ['x'] }],
  },

  infoNCE: {
    run: ({ embeddings, labels }, options) => infoNCE(embeddings!, labels!, options),
    // S = E E^T is symmetric: N^2 D multiplications and additions. Backward recomputes S and multiplies with it twice.
    cases: ({ embeddings, batch }) =>
      [
        { n: batch, label: 'the batch x 128' },
        { n: embeddings, label: `${embeddings} x 128` },
      ].map(({ n, label }) => ({
        label: `${label}, 2 of a label`,
        inputs: { embeddings: normals(n, 128), labels: integers(n / 2, n) },
        gradients: ['embeddings'],
        options: { temperature: 1 }, // the rows are not normalized
        flops: { forward: n * n * 128, backward: 3 * n * n * 128 },
      })),
  },

  queryInfoNCE: {
    run: ({ queries, labels, keys, keyLabels }, options) =>
      queryInfoNCE(queries!, labels!, keys!, keyLabels!, options),
    // Backward computes the similarities again and adds the weighted keys.
    cases: ({ embeddings: m, batch: n }) => [
      {
        label: `the batch x 128, ${m} keys`,
        inputs: {
          queries: normals(n, 128),
          labels: integers(m, n),
          keys: normals(m, 128),
          keyLabels: integers(m, m),
        },
        gradients: ['queries'],
        options: { temperature: 1 }, // the rows are not normalized
        flops: { forward: 2 * n * m * 128, backward: 4 * n * m * 128 },
      },
    ],
  },

  focalLoss: {
    run: ({ logits, targets }, options) => focalLoss(logits!, targets!, options),
    cases: ({ values }) => {
      const n = values / 4;
      const caseOf = (form: string, targets: Input): Case => ({
        label: `${n} x 3, ${form}`,
        inputs: { logits: normals(n, 3), targets },
        gradients: ['logits'],
        options: { form, gamma: 2 },
      });
      return [caseOf('softmax', integers(3, n)), caseOf('sigmoid', uniforms(n, 3))];
    },
  },

  softmax: { run: ({ x }) => softmax(x!), cases: rows },
  logSoftmax: { run: ({ x }) => logSoftmax(x!), cases: rows },
  mse: { run: ({ x, target }) => mse(x!, target!), cases: vectors(['x', 'target']) },
  smoothL1: {
    run: ({ x, target }, { beta }) => smoothL1(x!, target!, { beta }),
    cases: vectors(['x', 'target'], { beta: 0.02 }),
  },
  bceWithLogits: {
    run: ({ x, target }) => bceWithLogits(x!, target!),
    cases: ({ values }) => [
      {
        label: `${values} values`,
        inputs: { x: normals(values), target: uniforms(values) },
        gradients: ['x'],
      },
    ],
  },

  attentionPool: {
    run: ({ embeddings, scores, mask }) => attentionPool(embeddings!, scores!, mask!),
    cases: ({ batch, width }) => [
      {
        label: `8 instances of ${8 * width}`,
        inputs: {
          embeddings: normals(8 * batch, 8 * width),
          scores: normals(8 * batch),
          mask: bytes(batch, 8),
        },
        gradients: ['embeddings', 'scores'],
      },
    ],
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
        bytes: { forward: batch * (4 + (2 + 4) * side * side) }, // reads one image per view, not the bank
        count: 1,
      },
    ],
  },

  ...elementwiseCases(),
  mul: {
    run: ({ x, y }, { factor }) => elementwise.mul(x!, factor ?? y!),
    cases: (scale) => [
      ...vectors(['x', 'y'])(scale),
      ...vectors(['x'], { factor: 1.5 })(scale).map((benchCase) => ({
        ...benchCase,
        label: `${benchCase.label}, by a number`,
        gradients: [],
      })),
    ],
  },
  sum: { run: ({ x }) => sum(x!), cases: vectors(['x']) },
  copy: { run: ({ x }) => copy(x!), cases: vectors(['x']) },
  full: {
    run: (_, { shape }, device) => device.full(shape, 1),
    cases: ({ values }) => [{ label: `${values} values`, inputs: {}, options: { shape: [values] } }],
  },
  dropout: {
    run: ({ x }, options) => dropout(x!, options),
    cases: vectors(['x'], { p: 0.2, seed: 1, step: 1 }),
  },

  gather: {
    run: ({ x, indices }) => gather(x!, indices!),
    cases: ({ embeddings: n }) => [
      {
        label: `${n} of ${4 * n} rows of 128`,
        inputs: { x: normals(4 * n, 128), indices: integers(4 * n, n) },
        gradients: ['x'],
        bytes: { forward: bytesOf([n, 128], [n, 128], [n]) }, // reads only the gathered rows
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
      })(scale).map((benchCase) => ({ ...benchCase, count: 1 })),
  },
  sgd: {
    run: (inputs, options) => {
      sgd(untuple<'parameter' | 'gradient' | 'velocity'>(inputs), options);
      return undefined;
    },
    cases: optimizer(['parameter', 'gradient', 'velocity'], { learningRate: 1e-3, momentum: 0.9 }),
  },
  lars: {
    run: (inputs, options) => {
      lars(untuple<'parameter' | 'gradient' | 'velocity'>(inputs), options);
      return undefined;
    },
    cases: optimizer(['parameter', 'gradient', 'velocity'], { learningRate: 1e-3 }),
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
      // Only the gradients are used, so each tensor is its own.
      for (const { gradient } of gradients) gradient.grad = gradient;
      return clipGradNorm(
        gradients.map(({ gradient }) => gradient),
        maxNorm,
      );
    },
    cases: (scale) =>
      // Below the limit, as in most steps: gradients are read, not written.
      optimizer(['gradient'], { maxNorm: 1e9 })(scale).map((benchCase) => ({
        ...benchCase,
        bytes: { forward: bytesOf(...parameters(scale)) },
        count: 1,
      })),
  },
};

/** The head of the localizer, the only convolution with a bias. */
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
