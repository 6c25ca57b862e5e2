import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { backward, noGrad } from '#spinegrad/engine/autograd.js';
import type { Device } from '#spinegrad/engine/device.js';
import { openDevice } from '#spinegrad/engine/openDevice.js';
import { conv2d } from '#spinegrad/engine/ops/conv2d.js';
import { add, mul, relu } from '#spinegrad/engine/ops/elementwise.js';
import { sum } from '#spinegrad/engine/ops/sum.js';
import type { Tensor } from '#spinegrad/engine/tensor.js';
import { tidy } from '#spinegrad/engine/tidy.js';

const code = (value: string) => expect.objectContaining({ name: 'SpinegradError', code: value });

let device: Device;
beforeEach(async () => {
  device = await openDevice('cpu');
});
afterEach(() => device.close());

function leaf(...values: number[]): Tensor {
  const tensor = device.tensor(values);
  tensor.requiresGrad = true;
  return tensor;
}

const gradientOf = async (tensor: Tensor): Promise<number[]> => [...(await tensor.grad!.data())];

describe('backward', () => {
  it('adds the gradients of all paths: x y + y y + x', async () => {
    const [x, y] = [leaf(2, 3), leaf(5, 7)];
    backward(sum(add(add(mul(x, y), mul(y, y)), x)));
    expect(await gradientOf(x)).toEqual([6, 8]);
    expect(await gradientOf(y)).toEqual([12, 17]);
  });

  it('adds the gradients of both operands of add(x, x)', async () => {
    const x = leaf(3);
    backward(sum(add(x, x)));
    expect(await gradientOf(x)).toEqual([2]);
  });

  it('visits nodes in topological order: the gradient of 32 doublings is 2^32', async () => {
    const x = leaf(1);
    let y: Tensor = x;
    for (let i = 0; i < 32; i++) y = add(y, y);
    backward(y);
    expect(await gradientOf(x)).toEqual([2 ** 32]);
  });

  it('accumulates gradients until they are cleared', async () => {
    const x = leaf(3);
    backward(sum(mul(x, x)));
    backward(sum(mul(x, x)));
    expect(await gradientOf(x)).toEqual([12]);
    x.grad!.dispose();
    x.grad = undefined;
    backward(sum(mul(x, x)));
    expect(await gradientOf(x)).toEqual([6]);
  });

  it('gives no gradient to constants and unused parameters', () => {
    const [x, constant] = [leaf(1), device.tensor([2])];
    const unused = leaf(4);
    backward(sum(mul(x, constant)));
    expect(constant.grad).toBeUndefined();
    expect(unused.grad).toBeUndefined();
  });

  it('handles a graph of ten thousand operations', async () => {
    const x = leaf(1);
    let y: Tensor = x;
    for (let i = 0; i < 10_000; i++) y = mul(y, 1);
    backward(y);
    expect(await gradientOf(x)).toEqual([1]);
  });

  it('frees intermediate tensors, but not kept ones', async () => {
    const x = leaf(1, -2);
    const before = device.memory().tensors;
    const hidden = relu(mul(x, x));
    const kept = mul(hidden, 3).keep();
    const loss = sum(kept);
    backward(loss);
    expect(hidden.disposed).toBe(true);
    expect(await kept.data()).toEqual(Float32Array.of(3, 12));
    kept.dispose();
    loss.dispose();
    expect(device.memory().tensors).toBe(before + 1); // the gradient
    x.dispose();
    expect(device.memory().tensors).toBe(before - 1);
  });

  it('works through disposed tensors whose values are not needed', async () => {
    const x = leaf(1, 2);
    const loss = tidy(() => sum(add(add(x, x), x)));
    backward(loss);
    expect(await gradientOf(x)).toEqual([3, 3]);
  });

  it('throws ERR_DISPOSED if a value that it needs was disposed', () => {
    const x = leaf(1, 2);
    const loss = tidy(() => sum(mul(add(x, x), x)));
    expect(() => backward(loss)).toThrow(code('ERR_DISPOSED'));
  });

  it('throws ERR_BACKWARD for a second call, a loss that is not a scalar and a loss without parameters', () => {
    const x = leaf(1, 2);
    const loss = sum(x);
    backward(loss);
    expect(() => backward(loss)).toThrow(
      /backward\(\): the graph of this loss was already freed by backward\(\)/,
    );
    expect(() => backward(mul(x, 2))).toThrow(code('ERR_BACKWARD'));
    expect(() => backward(sum(device.zeros([2])))).toThrow(code('ERR_BACKWARD'));
    expect(() => backward(noGrad(() => sum(x)))).toThrow(code('ERR_BACKWARD'));
  });

  it('throws ERR_BACKWARD if another loss has freed a part of the graph', () => {
    const x = leaf(1, 2);
    const shared = add(x, x);
    const [first, second] = [sum(shared), sum(add(shared, x))];
    backward(first);
    expect(() => backward(second)).toThrow(code('ERR_BACKWARD'));
  });

  it('gives a filter a gradient of its shape and in its order', async () => {
    const weight = device.tensor(new Float32Array(20 * 3 * 9).fill(0.5), [20, 3, 3, 3]);
    weight.requiresGrad = true;
    using x = device.full([2, 3, 4, 4], 1);
    backward(sum(conv2d(x, weight)));
    expect(weight.grad!.shape).toEqual(weight.shape);
    expect(await weight.grad!.data()).toEqual(new Float32Array(540).fill(8));
  });
});

describe('noGrad', () => {
  it('records nothing, also if it is nested or throws', () => {
    const x = leaf(1);
    noGrad(() => {
      noGrad(() => relu(x));
      expect(relu(x).node).toBeUndefined();
    });
    expect(() =>
      noGrad(() => {
        throw new Error('no');
      }),
    ).toThrow('no');
    expect(relu(x).node).toBeDefined();
  });

  it('throws ERR_ASYNC_NO_GRAD for an asynchronous body', () => {
    expect(() => noGrad(async () => 1)).toThrow(code('ERR_ASYNC_NO_GRAD'));
  });
});
