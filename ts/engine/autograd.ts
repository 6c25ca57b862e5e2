/**
 * Reverse-mode differentiation on a tape of closures.
 *
 * An operation whose inputs require gradients calls `record()` with the tensors that it saves and its gradient
 * function. `backward(loss)` visits the recorded nodes from the latest to the earliest, and frees the saved tensors and
 * the output of each node after its gradient.
 */
import { expectArguments } from '../arguments.js';
import { SpinegradError } from '../error.js';
import { expectFunction } from './check.js';
import { BINARY, contract } from './contract.js';
import { expectTensor, type GradientNode, type Tensor } from './tensor.js';

let order = 0;
let enabled = true;

/** Runs `body`, which must be synchronous, without recording operations. */
export function noGrad<T>(body: () => T): T {
  expectArguments('noGrad', arguments.length, 1);
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

const requiresGradient = (tensor: Tensor): boolean => tensor.requiresGrad || tensor.node !== undefined;

/** @internal Whether an operation on these inputs is recorded. */
export const recording = (...inputs: (Tensor | undefined)[]): boolean =>
  enabled && inputs.some((input) => input !== undefined && requiresGradient(input));

/**
 * Records how `output` depends on its inputs: an operation of one's own. Compute `output` under `noGrad()`.
 *
 * @param saved tensors that only `backward` reads. They are freed after it, or at once if no input requires a gradient.
 * @param backward gets the gradient of the output and, per input, whether it requires a gradient. It returns the gradients of
 *   the inputs in their order, undefined for inputs that require none. They are new tensors; one of them may be the gradient
 *   of the output. It runs under `noGrad()`.
 * @returns `output`
 *
 * @example
 * function square(x: Tensor): Tensor {
 *   const y = noGrad(() => mul(x, x));
 *   return record(y, [x], [], (dy) => [tidy(() => mul(mul(x, dy), 2))]);
 * }
 */
export function record(
  output: Tensor,
  inputs: readonly Tensor[],
  saved: readonly Tensor[],
  backward: (gradient: Tensor, needs: readonly boolean[]) => readonly (Tensor | undefined)[],
): Tensor {
  expectArguments('record', arguments.length, 4);
  expectFunction('record', backward);
  if (!recording(...inputs)) {
    for (const tensor of saved) tensor.dispose();
    return output;
  }
  const needs = inputs.map(requiresGradient);
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

/** In place, because no other walk uses the gradient. */
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
  expectArguments('backward', arguments.length, 1);
  expectTensor('backward', 'loss', loss);
  if (loss.size !== 1 || !loss.node)
    throw new SpinegradError('ERR_BACKWARD', `backward(): ${unusable(loss)}`);
  const gradients = new Map<Tensor, Tensor>([[loss, loss.device.full(loss.shape, 1)]]);
  for (const output of reachable(loss)) {
    const node = output.node as GradientNode;
    const gradient = gradients.get(output);
    gradients.delete(output);
    output.node = undefined;
    output.differentiated = true;
    if (gradient) {
      const partials = noGrad(() => node.backward(gradient));
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
            'backward(): part of this graph was already freed by backward(); sum the losses and call backward() once',
          );
        } else partial.dispose();
      });
      if (!partials.includes(gradient)) gradient.dispose();
    }
    for (const tensor of node.saved) tensor.dispose();
    if (output !== loss && !output.kept) output.dispose();
  }
}

/** Why `backward()` cannot start at a tensor. */
function unusable(loss: Tensor): string {
  if (loss.node) return `expected a scalar loss, found shape [${loss.shape}]`;
  return loss.differentiated
    ? 'the graph of this loss was already freed by backward(); compute the loss again, or call backward() once'
    : 'the loss does not depend on a tensor with requiresGrad, or was computed under noGrad()';
}
