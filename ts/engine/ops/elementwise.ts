/** Elementwise operations. native/engine/elementwise.h has their functions. */
import { expectArguments } from '../../arguments.js';
import { record } from '../autograd.js';
import { expectNumber } from '../check.js';
import { BINARY, contract, UNARY, UNARY_BACKWARD } from '../contract.js';
import { expectTensor, Tensor } from '../tensor.js';
import { copy } from './copy.js';

/** y = f(x). The gradient is computed from dy and `from`. */
function unary(name: string, from: 'x' | 'y'): (x: Tensor) => Tensor {
  const forward = contract(`${name}.forward`, UNARY);
  const backward = contract(`${name}.backward`, UNARY_BACKWARD);
  return function (x) {
    expectArguments(name, arguments.length, 1);
    expectTensor(name, 'x', x);
    const { device, shape } = x;
    const y = device.empty(shape);
    device.run(forward, { x, y });
    return record(y, [x], [], (dy) => {
      const dx = device.empty(shape);
      device.run(backward, { saved: from === 'x' ? x : y, dy, dx });
      return [dx];
    });
  };
}

type Gradients = (
  dy: Tensor,
  operands: readonly [a: Tensor, b: Tensor],
  needs: readonly boolean[],
) => readonly (Tensor | undefined)[];

/** y = f(a, b), tensors of one shape. */
function binary(name: string, gradients: Gradients): (a: Tensor, b: Tensor) => Tensor {
  const forward = contract(`${name}.forward`, BINARY);
  return function (a, b) {
    expectArguments(name, arguments.length, 2);
    expectTensor(name, 'a', a);
    expectTensor(name, 'b', b, { shape: a.shape, device: a.device });
    const y = a.device.empty(a.shape);
    a.device.run(forward, { a, b, y });
    return record(y, [a, b], [], (dy, needs) => gradients(dy, [a, b], needs));
  };
}

/**
 * max(x, 0); the gradient at 0 is 0.
 *
 * @example
 * relu(device.tensor(Float32Array.of(-1, 2))); // [0, 2]
 */
export const relu = unary('relu', 'y');

/**
 * 1 / (1 + exp(-x)), without overflow; the gradient is dy y (1 - y).
 *
 * @example
 * sigmoid(device.full([1], 0)); // [0.5]
 */
export const sigmoid = unary('sigmoid', 'y');

/**
 * a + b, tensors of the same shape.
 *
 * @example
 * add(device.full([2], 3), device.full([2], 4)); // [7, 7]
 */
export const add = binary('add', (dy, _, [needsA, needsB]) => [
  needsA ? dy : undefined,
  needsB ? (needsA ? copy(dy) : dy) : undefined,
]);

const multiply = binary('mul', (dy, [a, b], [needsA, needsB]) => [
  needsA ? multiply(dy, b) : undefined,
  needsB ? multiply(dy, a) : undefined,
]);

const SCALE = contract('mul.scale', { a: 'input', y: 'output', factor: 'real' });

function scaled(a: Tensor, factor: number): Tensor {
  const y = a.device.empty(a.shape);
  a.device.run(SCALE, { a, y, factor });
  return y;
}

/**
 * a * b, where b is a tensor of the same shape or a number.
 *
 * @example
 * mul(device.full([2], 3), 2); // [6, 6]
 */
export function mul(a: Tensor, b: Tensor | number): Tensor {
  expectArguments('mul', arguments.length, 2);
  if (b instanceof Tensor) return multiply(a, b);
  expectTensor('mul', 'a', a);
  const factor = expectNumber('mul', 'b', b);
  return record(scaled(a, factor), [a], [], (dy) => [scaled(dy, factor)]);
}
