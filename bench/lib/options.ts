/** Parsers for command-line options. */
import { InvalidArgumentError } from 'commander';

/** Parser of a repeatable option that takes one of the names. */
export const oneOf =
  (names: readonly string[]) =>
  (name: string, list: string[]): string[] => {
    if (!names.includes(name)) throw new InvalidArgumentError(`expected one of ${names.join(', ')}.`);
    return [...list, name];
  };
