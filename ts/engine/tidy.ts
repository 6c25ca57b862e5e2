import { expectArguments } from '../arguments.js';
import { SpinegradError } from '../error.js';
import { expectFunction } from './check.js';
import { scopes, Tensor } from './tensor.js';

/**
 * Disposes every tensor that `body` created, except those it returns and those that were kept. Returned are tensors in
 * arrays, in keys and values of a Map, in a Set, and in the public fields of any other object, also nested. `body` must be
 * synchronous.
 *
 * @example
 * const logits = tidy(() => new Map([['stenosis', relu(x)]])); // the result of relu lives on
 */
export function tidy<T>(body: () => T): T {
  expectArguments('tidy', arguments.length, 1);
  expectFunction('tidy', body);
  const scope = new Set<Tensor>();
  scopes.push(scope);
  let result: T | undefined;
  try {
    result = body();
    if (result instanceof Promise) {
      throw new SpinegradError(
        'ERR_ASYNC_TIDY',
        'tidy(): the body returned a promise; await outside of tidy()',
      );
    }
    return result;
  } finally {
    scopes.pop();
    release(result, scope);
    for (const tensor of [...scope]) tensor.dispose();
  }
}

/** Moves the tensors in a result from a scope to the enclosing one. */
function release(value: unknown, scope: Set<Tensor>, seen = new Set<unknown>()): void {
  if (value instanceof Tensor) {
    if (scope.delete(value)) scopes.at(-1)?.add(value);
  } else if (typeof value === 'object' && value !== null && !ArrayBuffer.isView(value)) {
    if (seen.has(value)) return;
    seen.add(value);
    const elements = value instanceof Map ? [...value].flat() : value instanceof Set ? [...value] : [];
    for (const inner of [...elements, ...Object.values(value)]) release(inner, scope, seen);
  }
}
