/** What the options of the benches' commands take. */
import { InvalidArgumentError } from 'commander';

/** One of the names, in an option that may be repeated. */
export const oneOf =
  (names: readonly string[]) =>
  (name: string, list: string[]): string[] => {
    if (!names.includes(name)) throw new InvalidArgumentError(`expected one of ${names.join(', ')}.`);
    return [...list, name];
  };
