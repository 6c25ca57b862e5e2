/** Command lines in messages: they can be copied into a shell. */
import { existsSync } from 'node:fs';

/** Whether the program runs from its source tree; an installed package has no scripts. */
const IN_SOURCE_TREE = existsSync(new URL('../../scripts/setup.sh', import.meta.url));

/**
 * The command line of `spinegrad` with these arguments, as it is typed in this installation.
 *
 * @example
 * commandLine('study', '--out', 'my study'); // "npx spinegrad study --out 'my study'"
 */
export function commandLine(command: string, ...args: readonly string[]): string {
  const program =
    IN_SOURCE_TREE && command === 'train' ? ['node', 'train.js'] : ['npx', 'spinegrad', command];
  return [...program, ...args.map(quoted)].join(' ');
}

/** An argument as a POSIX shell reads it. */
const quoted = (text: string): string =>
  /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
