/**
 * Records the native calls of a case. The typed operation and its gradient run on a device whose `run` records calls
 * instead of enqueuing them.
 */
import { backward } from '#spinegrad/engine/autograd.js';
import type { Device } from '#spinegrad/engine/device.js';
import { mul } from '#spinegrad/engine/ops/mul.js';
import { sum } from '#spinegrad/engine/ops/sum.js';
import { sizeOf, type Tensor } from '#spinegrad/engine/tensor.js';
import type { Case, OperationCases } from './cases.js';
import { type Input, normals, valuesOf } from './inputs.js';

type Optional = Tensor | undefined;

/** A native call. Its tensors are disposed; they only identify shape, dtype and data flow. */
export interface Call {
  operation: string;
  inputs: readonly Optional[];
  outputs: readonly Optional[];
  attributes: readonly number[];
}

export interface RecordedCase {
  /** All calls in order. Running them once fills every tensor. */
  calls: readonly Call[];
  /** The calls to time: the first of each native operation of the case. */
  timed: readonly Call[];
  /** The tensors that no call computes. */
  inputs: ReadonlyMap<Tensor, Input>;
}

const SIZES = { float32: 4, int32: 4, uint16: 2, uint8: 1 };

/** Minimum memory traffic of a call: each input is read once, each output is written once. */
export const bytesOf = ({ inputs, outputs }: Call): number =>
  [...inputs, ...outputs].reduce(
    (total, tensor) => total + (tensor ? sizeOf(tensor.shape) * SIZES[tensor.dtype] : 0),
    0,
  );

export function recordCase(
  device: Device,
  operation: string,
  { run }: OperationCases,
  benchCase: Case,
): RecordedCase {
  const inputs = new Map<Tensor, Input>();
  const create = (input: Input): Tensor => {
    const tensor = device.empty(input.shape, input.dtype);
    inputs.set(tensor, input);
    return tensor;
  };
  const named = Object.fromEntries(
    Object.entries(benchCase.inputs).map(([name, input]) => [name, create(input)]),
  );
  for (const name of benchCase.gradients ?? []) named[name]!.requiresGrad = true;
  const calls = record(device, () => {
    const y = run(named, benchCase.options ?? {}, device);
    if (y?.node) {
      // Random gradients: a gradient of ones would need less power and memory traffic than a real one.
      const loss = y.size === 1 ? y : sum(mul(y, create(normals(...y.shape))));
      backward(loss);
      loss.dispose();
    }
    y?.dispose();
  });
  for (const tensor of inputs.keys()) tensor.dispose();
  const ofOperation = calls.filter((call) => call.operation.startsWith(`${operation}.`));
  const first = new Map(ofOperation.toReversed().map((call) => [call.operation, call]));
  return { calls, timed: ofOperation.filter((call) => first.get(call.operation) === call), inputs };
}

/** Returns the calls of `body` without running them. */
function record(device: Device, body: () => void): Call[] {
  const calls: Call[] = [];
  device.run = (operation, inputs, outputs, attributes = []) => {
    calls.push({ operation, inputs, outputs, attributes });
  };
  try {
    body();
  } finally {
    Reflect.deleteProperty(device, 'run'); // restores the method of the class
  }
  return calls;
}

/** One set of tensors for a recorded case, filled. Cycling through several replicas keeps the caches cold. */
export class Replica {
  readonly #device: Device;
  readonly #tensors = new Map<Tensor, Tensor>();

  constructor(device: Device, { calls, inputs }: RecordedCase) {
    this.#device = device;
    for (const [tensor, input] of inputs) this.#replicaOf(tensor).write(valuesOf(input));
    for (const call of calls) this.run(call);
  }

  run({ operation, inputs, outputs, attributes }: Call): void {
    const replicaOf = (tensor: Optional): Optional => tensor && this.#replicaOf(tensor);
    this.#device.run(operation, inputs.map(replicaOf), outputs.map(replicaOf), attributes);
  }

  #replicaOf(tensor: Tensor): Tensor {
    const existing = this.#tensors.get(tensor);
    if (existing) return existing;
    const replica = this.#device.empty(tensor.shape, tensor.dtype);
    this.#tensors.set(tensor, replica);
    return replica;
  }

  dispose(): void {
    for (const tensor of this.#tensors.values()) tensor.dispose();
  }
}
