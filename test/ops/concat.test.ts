import { concat } from '#spinegrad/engine/ops/concat.js';
import type { Tensor } from '#spinegrad/engine/tensor.js';
import { describeOperation, type NumberInput, normals, type Reference } from './descriptor.js';

const ordered = <T>(inputs: Record<string, T>): T[] =>
  Object.keys(inputs)
    .toSorted()
    .map((name) => inputs[name]!);

function reference(inputs: Record<string, Reference>): number[] {
  const tensors = ordered(inputs);
  const images = tensors[0]!.shape[0]!;
  return Array.from({ length: images }, (_, n) =>
    tensors.flatMap(({ values }) => {
      const size = values.length / images;
      return [...values.subarray(n * size, (n + 1) * size)];
    }),
  ).flat();
}

/** Images of the given channel counts. */
const images = (channels: readonly number[], height = 3, width = 5): Record<string, NumberInput> =>
  Object.fromEntries(
    channels.map((count, index) => [`x${index}`, normals([2, count, height, width], index + 1)]),
  );

const cases = [
  { name: 'blocks of 16 channels', channels: [16, 32] },
  { name: 'one channel and one channel', channels: [1, 1] },
  { name: 'whole vectors of four', channels: [4, 8] },
  { name: 'the first has an incomplete block', channels: [3, 17] },
  { name: 'the last has an incomplete block', channels: [16, 5] },
  { name: 'more than two, none aligned', channels: [5, 1, 23, 2] },
  { name: 'only one', channels: [6] },
];

const rows = (...tensors: NumberInput[]) => ({
  inputs: Object.fromEntries(tensors.map((tensor, index) => [`x${index}`, tensor])),
  differentiable: tensors.map((_, index) => `x${index}`),
});

describeOperation({
  name: 'concat along axis 0',
  run: (inputs) => concat(ordered<Tensor>(inputs), 0),
  reference: (inputs) => ordered(inputs).flatMap(({ values }) => [...values]),
  differentiable: [],
  tolerance: { units: 0, gradientUnits: 1, reason: 'values are copied' },
  cases: [
    { name: 'matrices', ...rows(normals([5, 3], 1), normals([2, 3], 2)) },
    { name: 'whole vectors of four', ...rows(normals([4, 8], 1), normals([2, 8], 2), normals([1, 8], 3)) },
    { name: 'images', ...rows(normals([2, 17, 3, 5], 1), normals([1, 17, 3, 5], 2)) },
  ],
  refusals: [
    {
      name: 'another length',
      code: 'ERR_SHAPE',
      call: (device) => concat([device.zeros([1, 2]), device.zeros([1, 3])], 0),
    },
  ],
});

describeOperation({
  name: 'concat',
  run: (inputs) => concat(ordered<Tensor>(inputs), 1),
  reference,
  differentiable: [],
  tolerance: { units: 0, gradientUnits: 1, reason: 'values are copied' },
  golden: true,
  cases: [
    ...cases.map(({ name, channels }) => ({
      name,
      inputs: images(channels),
      differentiable: channels.map((_, index) => `x${index}`),
    })),
    { name: 'a gradient for one of three', inputs: images([2, 16, 3]), differentiable: ['x1'] },
    {
      name: 'matrices',
      inputs: { x0: normals([5, 3], 1), x1: normals([5, 6], 2) },
      differentiable: ['x0', 'x1'],
    },
    {
      name: 'three axes',
      inputs: { x0: normals([2, 4, 8], 1), x1: normals([2, 1, 8], 2) },
      differentiable: ['x0', 'x1'],
    },
  ],
  refusals: [
    {
      name: 'another height',
      code: 'ERR_SHAPE',
      call: (device) => concat([device.zeros([1, 2, 4, 4]), device.zeros([1, 2, 5, 4])], 1),
    },
    {
      name: 'another batch',
      code: 'ERR_SHAPE',
      call: (device) => concat([device.zeros([1, 2, 4, 4]), device.zeros([2, 2, 4, 4])], 1),
    },
    { name: 'a vector', code: 'ERR_SHAPE', call: (device) => concat([device.zeros([4])], 1) },
    { name: 'no tensor', code: 'ERR_ARGUMENT', call: () => concat([], 1) },
    {
      name: 'another axis',
      code: 'ERR_ARGUMENT',
      call: (device) => concat([device.zeros([4, 4])], 2 as 1),
    },
  ],
});
