/**
 * Reverse-mode differentiation on a tape of closures.
 *
 * An operation whose inputs want gradients calls `record()` with what it must keep and how its gradient is taken.
 * `backward(loss)` walks the recorded nodes from the latest to the earliest. Once a node is done nothing will ask for
 * its saved tensors or its output again, so both are freed on the way: activations give their memory to gradients.
 */
import { SpinegradError } from '../error.js';
import { expectFunction } from './check.js';
import { BINARY, contract } from './contract.js';
import { expectTensor, type GradientNode, type Tensor } from './tensor.js';

let order = 0;
let enabled = true;

/** Runs `body`, which must be synchronous, without recording: for evaluation. */
export function noGrad<T>(body: () => T): T {
  expectFunction('noGrad', body);
  const before = enabled;
  enabled = false;
  try {
    const result = body();
    if (result instanceof Promise) {
      throw new SpinegradError(
        'ERR_ASYNC_NO_GRAD',
        'noGrad(): the body returned a promise; await outside of noGrad()',
      );
    }
    return result;
  } finally {
    enabled = before;
  }
}

const wanted = (tensor: Tensor): boolean => tensor.requiresGrad || tensor.node !== undefined;

/** @internal Whether an operation on these inputs will be recorded. */
export const recording = (...inputs: (Tensor | undefined)[]): boolean =>
  enabled && inputs.some((input) => input !== undefined && wanted(input));

/**
 * @internal Ties `output` to its inputs. `backward` gets the output's gradient and `needs[i]`, whether input i wants
 * one; it returns new tensors, of which one may be the output's gradient itself. Tensors of `saved` are freed at once
 * when nothing is recorded.
 */
export function record(
  output: Tensor,
  inputs: readonly Tensor[],
  saved: readonly Tensor[],
  backward: (gradient: Tensor, needs: readonly boolean[]) => readonly (Tensor | undefined)[],
): Tensor {
  if (!recording(...inputs)) {
    for (const tensor of saved) tensor.dispose();
    return output;
  }
  const needs = inputs.map(wanted);
  output.node = { order: order++, inputs, needs, saved, backward: (gradient) => backward(gradient, needs) };
  return output;
}

function reachable(root: Tensor): Tensor[] {
  const seen = new Set<Tensor>();
  const stack = [root];
  for (let tensor = stack.pop(); tensor; tensor = stack.pop()) {
    if (seen.has(tensor) || !tensor.node) continue;
    seen.add(tensor);
    stack.push(...tensor.node.inputs);
  }
  return [...seen].sort((a, b) => (b.node as GradientNode).order - (a.node as GradientNode).order);
}

const ADD = contract('add.forward', BINARY);

/** In place: a gradient belongs to this walk alone. */
function sum(a: Tensor, b: Tensor): Tensor {
  a.device.run(ADD, { a, b, y: a });
  b.dispose();
  return a;
}

/**
 * Adds d loss / d tensor to `tensor.grad` for every tensor with `requiresGrad` that the scalar `loss` was computed
 * from. Frees the recorded intermediate tensors, except `loss` and those on which `keep()` was called.
 */
export function backward(loss: Tensor): void {
  expectTensor('backward', 'loss', loss);
  if (loss.size !== 1 || !loss.node) {
    throw new SpinegradError(
      'ERR_BACKWARD',
      loss.node
        ? `backward(): expected a scalar loss, found shape [${loss.shape}]`
        : 'backward(): the loss does not depend on a tensor with requiresGrad, or was computed under noGrad()',
    );
  }
  const gradients = new Map<Tensor, Tensor>([[loss, loss.device.full(loss.shape, 1)]]);
  for (const output of reachable(loss)) {
    const node = output.node as GradientNode;
    const gradient = gradients.get(output);
    gradients.delete(output);
    output.node = undefined;
    if (gradient) {
      const partials = node.backward(gradient);
      partials.forEach((partial, index) => {
        const input = node.inputs[index]!;
        if (!partial) return;
        if (input.node) {
          const before = gradients.get(input);
          gradients.set(input, before ? sum(before, partial) : partial);
        } else if (input.requiresGrad) {
          input.grad = (input.grad ? sum(input.grad, partial) : partial).keep();
        } else if (node.needs[index]) {
          throw new SpinegradError(
            'ERR_BACKWARD',
            'backward(): the loss shares a part with another whose backward() has freed it; add the losses and go back once',
          );
        } else partial.dispose();
      });
      if (!partials.includes(gradient)) gradient.dispose();
    }
    for (const tensor of node.saved) tensor.dispose();
    if (output !== loss && !output.kept) output.dispose();
  }
}
