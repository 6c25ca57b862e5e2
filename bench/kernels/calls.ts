/**
 * Records the native calls of a case. The typed operation and its gradient run on a device whose `run` records calls
 * instead of enqueuing them.
 */
import { backward } from '#spinegrad/engine/autograd.js';
import type { Contract } from '#spinegrad/engine/contract.js';
import type { Device } from '#spinegrad/engine/device.js';
import { mul } from '#spinegrad/engine/ops/elementwise.js';
import { sum } from '#spinegrad/engine/ops/sum.js';
import { sizeOf, Tensor } from '#spinegrad/engine/tensor.js';
import type { Case, OperationCases } from './cases.js';
import { type Input, normals, valuesOf } from './inputs.js';

type Values = Readonly<Record<string, unknown>>;

/** A native call. Its tensors are disposed; they only identify shape, dtype and data flow. */
export interface Call {
  operation: string;
  contract: Contract;
  values: Values;
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

/** Minimum memory traffic of a call: inputs are read once, outputs written once, updated tensors both. */
export function bytesOf({ contract, values }: Call): number {
  let total = 0;
  for (const [name, type] of Object.entries(contract.fields)) {
    const times = String(type).startsWith('update') ? 2 : 1;
    for (const value of [values[name]].flat()) {
      if (value instanceof Tensor) total += times * sizeOf(value.shape) * SIZES[value.dtype];
    }
  }
  return total;
}

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
  device.run = (contract: Contract, values: Values) => {
    calls.push({ operation: contract.name, contract, values });
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

  run({ contract, values }: Call): void {
    const replaced = Object.entries(values).map(([name, value]) => [name, this.#replace(value)]);
    this.#device.run(contract, Object.fromEntries(replaced));
  }

  #replace(value: unknown): unknown {
    if (Array.isArray(value)) return value.map((element) => this.#replace(element));
    return value instanceof Tensor ? this.#replicaOf(value) : value;
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
