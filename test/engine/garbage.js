/**
 * Fuzzes every operation with valid, nearly valid and invalid arguments: forward, backward and read. Each call must
 * give a result or a SpinegradError. Runs in a separate process (garbage.test.ts), because a failure could crash it.
 *
 *     node test/engine/garbage.js <seed> <calls> <file that records the current call>
 */
import { readdirSync, writeFileSync } from 'node:fs';
import fc from 'fast-check';
import { backward } from '#spinegrad/engine/autograd.js';
import { openDevice } from '#spinegrad/engine/openDevice.js';
import * as elementwise from '#spinegrad/engine/ops/elementwise.js';
import { sum } from '#spinegrad/engine/ops/sum.js';
import { Tensor } from '#spinegrad/engine/tensor.js';
import { SpinegradError } from '#spinegrad/error.js';

const [seed, calls, journal] = [Number(process.argv[2]), Number(process.argv[3]), process.argv[4]];

const device = await openDevice('cpu', { threads: 2 });
const other = await openDevice('cpu', { threads: 1 });
const ops = {};
for (const file of readdirSync(new URL('../../ts/engine/ops/', import.meta.url))) {
  Object.assign(ops, await import(`#spinegrad/engine/ops/${file.replace('.ts', '.js')}`));
}

// Arguments are generated as plain data, so that fast-check can print and shrink them.
const one = (...values) => fc.constantFrom(...values);
const invalid = one(
  0,
  1,
  -1,
  0.5,
  2,
  3,
  7,
  -0.25,
  1e-30,
  1e30,
  2 ** 31,
  2 ** 53,
  NaN,
  Infinity,
  -Infinity,
  '1',
  null,
  [],
  {},
  new Array(3),
  1n,
  Symbol('invalid'),
  () => 1,
  new Proxy([1, 1], {}),
  new Float32Array(2),
);
const mostlyValid = (valid) => fc.oneof({ weight: 12, arbitrary: valid }, { weight: 1, arbitrary: invalid });
const options = (fields) =>
  fc.record(Object.fromEntries(Object.entries(fields).map(([name, field]) => [name, mostlyValid(field)])), {
    requiredKeys: [],
  });
const tensor = (shape, dtype = 'float32') =>
  fc.record({
    tensor: one(dtype),
    shape: one(shape),
    fill: one('ones', 'ramp', 'ramp', 'ramp', 'extreme', 'not finite'),
    state: fc.oneof(
      { weight: 30, arbitrary: one('live', 'parameter') },
      { weight: 1, arbitrary: one('disposed', 'foreign', 'unwritten') },
    ),
  });
const size = one(1, 2, 3, 5, 17);
const dims = (count) => fc.tuple(...Array.from({ length: count }, () => size));
const maybe = (arbitrary) => fc.option(arbitrary, { nil: undefined, freq: 2 });
const anyShape = fc.array(size, { maxLength: 5 });
const unit = one(0, 0.1, 0.5, 1);
const pair = fc.oneof(one(0, 1, 2, 3), fc.tuple(one(0, 1, 2), one(0, 1, 3)));
const unary = anyShape.chain((shape) => fc.tuple(tensor(shape)));
const image = dims(4).chain((shape) => fc.tuple(tensor(shape)));
const lists = (...names) =>
  fc.array(
    anyShape.chain((shape) => fc.record(Object.fromEntries(names.map((name) => [name, tensor(shape)])))),
    { maxLength: 3 },
  );
const elementwiseLoss = (fields) =>
  anyShape.chain((shape) =>
    fc.tuple(
      tensor(shape),
      tensor(shape),
      options({ reduction: one('mean', 'sum'), weight: tensor(shape), ...fields }),
    ),
  );

const augmentOptions = options({
  outSize: fc.oneof(one(1, 4, 20), fc.tuple(size, size)),
  ...Object.fromEntries(['rotation', 'translation', 'blur', 'pitch'].map((name) => [name, one(0, 1, 15)])),
  ...Object.fromEntries(
    [
      'scale',
      'shear',
      'flip',
      'upend',
      'invert',
      'tone',
      'gamma',
      'contrast',
      'brightness',
      'noise',
      'cutout',
      'cutoutSize',
      'mean',
      'std',
    ].map((name) => [name, unit]),
  ),
  cutoutFill: one('mean', 'zero'),
});

const ARGUMENTS = {
  adamW: fc.tuple(
    lists('parameter', 'gradient', 'firstMoment', 'secondMoment'),
    options({ learningRate: unit, beta1: unit, beta2: unit, eps: unit, weightDecay: unit, step: one(1, 2) }),
  ),
  attentionPool: dims(3).chain(([n, k, f]) =>
    fc
      .tuple(one([n * k, f], [n, k * f]), one([n * k], [n * k, 1], [n, k]))
      .chain(([embeddings, scores]) => fc.tuple(tensor(embeddings), tensor(scores), tensor([n, k], 'uint8'))),
  ),
  augment: dims(4).chain(([m, h, w, n]) =>
    fc.tuple(
      tensor([m, h, w], 'uint16'),
      tensor([n], 'int32'),
      options({ seed: one(0, 5), step: one(0, 5) }),
      augmentOptions,
    ),
  ),
  augmentGeometry: fc.tuple(
    fc.tuple(size, size),
    size,
    fc.record({ seed: one(0, 5), step: one(0, 5) }),
    one({}, { rotation: 3 }),
  ),
  batchNorm2d: dims(4).chain(([n, c, h, w]) =>
    fc.tuple(
      tensor([n, c, h, w]),
      ...Array.from({ length: 4 }, () => tensor([c])),
      options({
        training: one(true, false),
        momentum: unit,
        eps: one(1e-5),
        relu: one(true, false),
        residual: tensor([n, c, h, w]),
      }),
    ),
  ),
  bceWithLogits: elementwiseLoss({}),
  clipGradNorm: fc.tuple(
    fc.array(
      anyShape.chain((shape) => tensor(shape)),
      { maxLength: 3 },
    ),
    mostlyValid(one(1, 0.1)),
  ),
  concat: dims(6).chain(([n, h, w, ...channels]) =>
    fc.tuple(
      fc.subarray(channels).chain((counts) => fc.tuple(...counts.map((c) => tensor([n, c, h, w])))),
      mostlyValid(one(0, 1, 1)),
    ),
  ),
  conv2d: dims(6).chain(([n, c, h, w, k, r]) =>
    fc.tuple(
      tensor([n, c, h, w]),
      tensor([k, c, r, Math.min(r, 3)]),
      options({ bias: tensor([k]), stride: pair, padding: pair }),
    ),
  ),
  copy: unary,
  dropout: anyShape.chain((shape) =>
    fc.tuple(tensor(shape), options({ p: unit, seed: one(0, 9), step: one(0, 9) })),
  ),
  ema: fc.tuple(lists('source', 'target'), mostlyValid(unit)),
  focalLoss: dims(2).chain(([n, c]) =>
    fc.tuple(
      tensor([n, c]),
      fc.oneof(tensor([n], 'int32'), tensor([n, c])),
      options({
        form: one('softmax', 'sigmoid'),
        gamma: unit,
        alpha: one(Array(c).fill(0.5)),
        labelSmoothing: unit,
        ignoreIndex: one(-100, 0),
        reduction: one('sum', 'mean', 'weightedMean'),
      }),
    ),
  ),
  gather: fc.tuple(anyShape, size).chain(([shape, n]) => fc.tuple(tensor(shape), tensor([n], 'int32'))),
  globalAvgPool2d: image,
  infoNCE: dims(2).chain(([n, d]) =>
    fc.tuple(
      tensor([n, d]),
      tensor([n], 'int32'),
      options({ temperature: one(0.07, 1), logScale: tensor([1]), mean: one('outside', 'inside') }),
    ),
  ),
  l2Normalize: fc
    .tuple(dims(2), mostlyValid(one(1e-12, 1)))
    .chain(([shape, eps]) => fc.tuple(tensor(shape), one(eps))),
  lars: fc.tuple(
    lists('parameter', 'gradient', 'velocity'),
    options({ learningRate: unit, momentum: unit, weightDecay: unit, trust: unit, adapt: one(true, false) }),
  ),
  linear: dims(3).chain(([n, c, k]) => fc.tuple(tensor([n, c]), tensor([k, c]), maybe(tensor([k])))),
  logSoftmax: dims(2).chain((shape) => fc.tuple(tensor(shape))),
  maxPool2d: dims(4).chain((shape) =>
    fc.tuple(tensor(shape), mostlyValid(pair), options({ stride: pair, padding: pair })),
  ),
  mse: elementwiseLoss({}),
  mul: anyShape.chain((shape) => fc.tuple(tensor(shape), fc.oneof(tensor(shape), invalid))),
  queryInfoNCE: dims(3).chain(([n, m, d]) =>
    fc.tuple(
      tensor([n, d]),
      tensor([n], 'int32'),
      tensor([m, d]),
      tensor([m], 'int32'),
      options({ temperature: one(0.07, 1), logScale: tensor([1]), mean: one('outside', 'inside') }),
    ),
  ),
  sgd: fc.tuple(
    lists('parameter', 'gradient', 'velocity'),
    options({
      learningRate: unit,
      momentum: unit,
      weightDecay: unit,
      nesterov: one(true, false),
      decoupled: one(true),
    }),
  ),
  smoothL1: elementwiseLoss({ beta: one(1, 0.1) }),
  softArgmax2d: dims(4).chain((shape) => fc.tuple(tensor(shape), options({ temperature: one(1, 0.1) }))),
  softmax: dims(2).chain((shape) => fc.tuple(tensor(shape))),
  sum: unary,
  upsample2d: dims(4).chain((shape) => fc.tuple(tensor(shape), options({ scale: one(1, 2, 3) }))),
};
// The other elementwise operations take one tensor, or two of one shape.
for (const [name, operation] of Object.entries(elementwise)) {
  ARGUMENTS[name] ??=
    operation.length === 1 ? unary : anyShape.chain((shape) => fc.tuple(tensor(shape), tensor(shape)));
}

const HELPERS = ['elementwiseLoss', 'expectTuples', 'groupsOf', 'lossContracts'];
const missing = Object.keys(ops).filter(
  (name) => typeof ops[name] === 'function' && !(name in ARGUMENTS) && !HELPERS.includes(name),
);
if (missing.length > 0) throw new Error(`test/engine/garbage.js: no arguments are described for ${missing}`);

const ARRAYS = { float32: Float32Array, int32: Int32Array, uint16: Uint16Array, uint8: Uint8Array };
const FILLS = {
  ones: () => 1,
  ramp: (i) => i % 5,
  extreme: (i) => [3e38, -3e38, 1e-45, -1, 2 ** 31 - 1][i % 5],
  'not finite': (i) => [NaN, Infinity, -Infinity, 0][i % 4],
};

function build(description) {
  if (Array.isArray(description)) return description.map(build);
  if (!description || typeof description !== 'object') return description;
  if (!('tensor' in description)) {
    return Object.fromEntries(Object.entries(description).map(([key, value]) => [key, build(value)]));
  }
  const { tensor: dtype, shape, fill, state } = description;
  const target = state === 'foreign' ? other : device;
  if (state === 'unwritten') return target.empty(shape, dtype);
  const length = shape.reduce((product, side) => product * side, 1);
  const built = target.tensor(
    ARRAYS[dtype].from({ length }, (_, i) => FILLS[fill](i)),
    shape,
  );
  if (state === 'parameter' && dtype === 'float32') {
    built.requiresGrad = true;
    built.grad = target.full(shape, 1).keep();
  }
  if (state === 'disposed') built.dispose();
  return built;
}

const tensorsIn = (value) => {
  if (value instanceof Tensor) return [value];
  return value && typeof value === 'object' ? Object.values(value).flatMap(tensorsIn) : [];
};

let results = 0;
let refused = 0;
async function attempt(body) {
  try {
    await body();
    results++;
  } catch (error) {
    if (!(error instanceof SpinegradError) || error.code === 'ERR_INTERNAL') throw error;
    refused++;
  }
}

const call = one(...Object.keys(ARGUMENTS)).chain((name) =>
  fc.record({
    name: one(name),
    args: ARGUMENTS[name],
    aliased: fc.nat(3).map((draw) => draw === 0),
    replacement: fc.oneof(
      { weight: 3, arbitrary: one(null) },
      {
        weight: 1,
        arbitrary: fc.record({
          at: fc.nat(5),
          by: fc.oneof(tensor([2, 3]), tensor([4], 'int32'), invalid),
        }),
      },
    ),
  }),
);

/** Replaces tensors of equal dtype and shape by the first of them. */
function alias(given) {
  const first = new Map();
  return given.map((value) => {
    if (!(value instanceof Tensor)) return value;
    const key = `${value.dtype} ${value.shape}`;
    if (!first.has(key)) first.set(key, value);
    return first.get(key);
  });
}

const property = fc.asyncProperty(call, async ({ name, args, aliased, replacement }) => {
  if (journal) writeFileSync(journal, fc.stringify({ name, args, aliased, replacement }));
  const built = build(args);
  const given = aliased ? alias(built) : built;
  if (replacement) given[replacement.at % given.length] = build(replacement.by);
  let output;
  await attempt(async () => {
    output = ops[name](...given);
    if (output instanceof Tensor) await output.data();
    else await device.synchronize();
  });
  if (output instanceof Tensor && output.node) {
    await attempt(async () => {
      backward(sum(output));
      for (const input of tensorsIn(given)) await input.grad?.data();
    });
  }
  for (const value of [output, ...tensorsIn(built), ...tensorsIn(given)])
    if (value instanceof Tensor) value.dispose();
  await device.synchronize().catch(() => {});
});

await fc.assert(property, { seed, numRuns: calls });
console.log(JSON.stringify({ results, refused }));
