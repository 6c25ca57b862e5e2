/** Checks of calls from JavaScript, which TypeScript does not check: number of arguments and names of options. */
import { inspect } from 'node:util';
import { SpinegradError } from './error.js';

/** Formats any value for a message: short, on one line. */
export const found = (value: unknown): string =>
  inspect(value, {
    depth: 0,
    maxArrayLength: 8,
    maxStringLength: 40,
    breakLength: Infinity,
    compact: true,
    customInspect: false,
  });

/** Throws `ERR_ARGUMENT` if a function got more arguments than it takes. `count` is its `arguments.length`. */
export function expectArguments(name: string, count: number, max: number): void {
  if (count <= max) return;
  const expected = max === 0 ? 'no arguments' : `at most ${max} argument${max === 1 ? '' : 's'}`;
  throw new SpinegradError('ERR_ARGUMENT', `${name}(): expected ${expected}, found ${count}`);
}

type Resolved<Options, Defaults> = {
  [Name in keyof Defaults]: Name extends keyof Options
    ? undefined extends Defaults[Name]
      ? Options[Name]
      : Exclude<Options[Name], undefined>
    : never;
};

/**
 * The options of a call, completed by their defaults. The keys of `defaults` are the options that exist; a default may be
 * undefined. An option that is undefined has its default.
 *
 * @throws SpinegradError ERR_ARGUMENT for an unknown key, or if the options are no object
 */
export function optionsOf<
  Options extends object,
  const Defaults extends Readonly<Record<keyof Options, unknown>>,
>(name: string, given: Options | undefined | null, defaults: Defaults): Resolved<Options, Defaults> {
  if (given === undefined || given === null) return defaults as Resolved<Options, Defaults>;
  if (typeof given !== 'object' || Array.isArray(given)) {
    throw new SpinegradError('ERR_ARGUMENT', `${name}(): options: expected an object, found ${found(given)}`);
  }
  const options: Record<string, unknown> = { ...defaults };
  for (const key in given) {
    if (!Object.hasOwn(defaults, key)) throw unknownOption(name, key, Object.keys(defaults));
    if (given[key] !== undefined) options[key] = given[key];
  }
  return options as Resolved<Options, Defaults>;
}

function unknownOption(name: string, key: string, names: readonly string[]): SpinegradError {
  return new SpinegradError(
    'ERR_ARGUMENT',
    `${name}(): options: found the unknown option ${found(key)}, expected only ${names.join(', ') || 'none'}`,
  );
}
