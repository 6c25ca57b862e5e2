/**
 * What a case does, as native calls. It is found by running the typed operation, and the gradient of what it returns,
 * on a device that writes down its calls instead of doing them; that costs nothing, whatever the sizes.
 */
import { backward } from '#spinegrad/engine/autograd.js';
import type { Device } from '#spinegrad/engine/device.js';
import { mul } from '#spinegrad/engine/ops/mul.js';
import { sum } from '#spinegrad/engine/ops/sum.js';
import { sizeOf, type Tensor } from '#spinegrad/engine/tensor.js';
import type { Case, OperationCases } from './cases.js';
import { type Input, normals, valuesOf } from './inputs.js';

type Optional = Tensor | undefined;

/** A native call of the engine. Its tensors are only names here: they are disposed, but tell shape and dtype. */
export interface Call {
  operation: string;
  inputs: readonly Optional[];
  outputs: readonly Optional[];
  attributes: readonly number[];
}

export interface Plan {
  /** Everything, in order: run once, it gives every tensor the values that the next calls want. */
  calls: readonly Call[];
  /** Those of the operation itself, each once: what is timed. */
  timed: readonly Call[];
  /** Tensors that no call makes. */
  given: ReadonlyMap<Tensor, Input>;
}

const SIZES = { float32: 4, int32: 4, uint16: 2, uint8: 1 };

/** Bytes that a call must move: what it takes, read once, and what it gives, written once. */
export const bytesOf = ({ inputs, outputs }: Call): number =>
  [...inputs, ...outputs].reduce(
    (total, tensor) => total + (tensor ? sizeOf(tensor.shape) * SIZES[tensor.dtype] : 0),
    0,
  );

export function planOf(device: Device, operation: string, { run }: OperationCases, one: Case): Plan {
  const given = new Map<Tensor, Input>();
  const give = (input: Input): Tensor => {
    const tensor = device.empty(input.shape, input.dtype);
    given.set(tensor, input);
    return tensor;
  };
  const inputs = Object.fromEntries(Object.entries(one.inputs).map(([name, input]) => [name, give(input)]));
  for (const name of one.gradients ?? []) inputs[name]!.requiresGrad = true;
  const calls = record(device, () => {
    const y = run(inputs, one.options ?? {}, device);
    if (y?.node) {
      // A gradient of ones would be a special case for caches and for power: other values are given.
      const loss = y.size === 1 ? y : sum(mul(y, give(normals(...y.shape))));
      backward(loss);
      loss.dispose();
    }
    y?.dispose();
  });
  for (const tensor of given.keys()) tensor.dispose();
  const own = calls.filter((call) => call.operation.startsWith(`${operation}.`));
  const first = new Map(own.toReversed().map((call) => [call.operation, call]));
  return { calls, timed: own.filter((call) => first.get(call.operation) === call), given };
}

/** The calls that `body` makes, none of which is run. */
function record(device: Device, body: () => void): Call[] {
  const calls: Call[] = [];
  device.run = (operation, inputs, outputs, attributes = []) => {
    calls.push({ operation, inputs, outputs, attributes });
  };
  try {
    body();
  } finally {
    Reflect.deleteProperty(device, 'run'); // what the class has shows again
  }
  return calls;
}

/** Tensors for the calls of a plan, filled; several of them keep a call from finding its data in a cache. */
export class Replica {
  readonly #device: Device;
  readonly #tensors = new Map<Tensor, Tensor>();

  constructor(device: Device, { calls, given }: Plan) {
    this.#device = device;
    for (const [tensor, input] of given) this.#own(tensor).write(valuesOf(input));
    for (const call of calls) this.run(call);
  }

  run({ operation, inputs, outputs, attributes }: Call): void {
    const own = (tensor: Optional): Optional => tensor && this.#own(tensor);
    this.#device.run(operation, inputs.map(own), outputs.map(own), attributes);
  }

  #own(tensor: Tensor): Tensor {
    const known = this.#tensors.get(tensor);
    if (known) return known;
    const made = this.#device.empty(tensor.shape, tensor.dtype);
    this.#tensors.set(tensor, made);
    return made;
  }

  dispose(): void {
    for (const tensor of this.#tensors.values()) tensor.dispose();
  }
}
