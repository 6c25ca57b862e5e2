import { SpinegradError } from '../error.js';
import { expectFunction } from './check.js';
import { scopes, Tensor } from './tensor.js';

/**
 * Disposes every tensor that `body` created, except those it returns (alone, in an array or in a plain object) and
 * those that were kept. `body` must be synchronous.
 */
export function tidy<T>(body: () => T): T {
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
  } else if (Array.isArray(value) || (value && Object.getPrototypeOf(value) === Object.prototype)) {
    if (seen.has(value)) return;
    seen.add(value);
    for (const inner of Object.values(value)) release(inner, scope, seen);
  }
}
