/** Weights of a torchvision ResNet for a ResNet of other input channels, also if the file has only some of the layers. */

import { expectArguments, found } from '../arguments.js';
import type { TypedArray } from '../engine/dtype.js';
import { expectFinite } from '../engine/finite.js';
import { SpinegradError } from '../error.js';
import { ResNet } from './resnet.js';

/** What a file gave to a network. */
export interface Imported {
  /** Names of the tensors that were loaded. */
  loaded: string[];
  /** Names of the tensors that are not in the file and keep their values. */
  missing: string[];
}

type Stored = { shape: readonly number[]; data: TypedArray | Float64Array };

const STEM = 'conv1.weight';

/** Names that a classifier has and an encoder does not. */
const IGNORED = /^fc\.|num_batches_tracked$/;

/**
 * Loads the tensors of a file with torchvision's names (`conv1.weight`, `layer1.0.bn1.running_mean`, ...) into a ResNet.
 * Layers that the file does not have keep their values. The kernels of the stem are summed over their input channels and
 * divided by those of the network if the two numbers differ: an image of one channel then gives what its copy in all
 * channels of the file gives.
 *
 * @param tensors float32
 * @param source origin of the tensors, for messages
 * @throws SpinegradError ERR_WEIGHTS for an unknown name, another shape or type, or if no name is of this network;
 *   ERR_NOT_FINITE. Then nothing is loaded.
 *
 * @example
 * const net = resnet18({ device, random: new RandomStream(1) });
 * const { missing } = importResNet(net, await readSafetensors('resnet18.safetensors'), 'resnet18.safetensors');
 */
export function importResNet(net: ResNet, tensors: ReadonlyMap<string, Stored>, source: string): Imported {
  expectArguments('importResNet', arguments.length, 3);
  if (!(net instanceof ResNet)) {
    throw new SpinegradError('ERR_ARGUMENT', `importResNet(): net: expected a ResNet, found ${found(net)}`);
  }
  if (!(tensors instanceof Map)) {
    throw new SpinegradError(
      'ERR_ARGUMENT',
      `importResNet(): tensors: expected the Map of readSafetensors(), found ${found(tensors)}`,
    );
  }
  const fail = (message: string): never => {
    throw new SpinegradError('ERR_WEIGHTS', `${source}: ${message}`);
  };
  const state = net.state();
  const values = new Map<string, Float32Array>();
  for (const [name, { shape, data }] of tensors) {
    if (IGNORED.test(name)) continue;
    const tensor = state.get(name);
    if (!tensor) {
      return fail(
        `found the tensor '${name}', expected only names of a ResNet-${net.architecture.depth}; set encoder.depth to that of ` +
          'the file, or remove the tensor',
      );
    }
    if (!(data instanceof Float32Array)) {
      return fail(`found '${name}' as ${data.constructor.name}, expected float32 values; convert the file`);
    }
    const stem = name === STEM && shape.length === 4 && shape[1]! > 0;
    const expected = stem ? [tensor.shape[0], shape[1], ...tensor.shape.slice(2)] : tensor.shape;
    if (`${shape}` !== `${expected}`) {
      return fail(
        `found '${name}' of shape [${shape}], expected [${expected}]; set encoder.width and encoder.depth to those of the file ` +
          '(torchvision: width 64)',
      );
    }
    expectFinite(data, `${source}: '${name}'`, 'the weights are damaged');
    values.set(name, stem ? adaptStem(data, shape, tensor.shape[1]!) : data);
  }
  if (values.size === 0) fail(`found no tensor of a ResNet, expected names such as '${STEM}'`);
  for (const [name, data] of values) state.get(name)!.write(data);
  return { loaded: [...values.keys()], missing: [...state.keys()].filter((name) => !values.has(name)) };
}

/** Kernels [outputs, channels, h, w] for another number of input channels. */
function adaptStem(data: Float32Array, shape: readonly number[], channels: number): Float32Array {
  const [outputs, from, h, w] = shape as [number, number, number, number];
  if (from === channels) return data;
  const pixels = h * w;
  const adapted = new Float32Array(outputs * channels * pixels);
  for (let output = 0; output < outputs; output++) {
    for (let pixel = 0; pixel < pixels; pixel++) {
      let sum = 0;
      for (let c = 0; c < from; c++) sum += data[(output * from + c) * pixels + pixel]!;
      for (let c = 0; c < channels; c++) adapted[(output * channels + c) * pixels + pixel] = sum / channels;
    }
  }
  return adapted;
}
