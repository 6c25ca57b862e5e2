/** Creates the Python environment of a bench. */
import { spawnSync } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const PYTHON = 'python3.11';

export type Environment = { python: string } | { missing: string };

/** Creates the environment if it does not exist. Installing an `optional` package may fail. */
export function createEnvironment(
  folder: string,
  packages: readonly string[],
  optional: readonly string[],
): Environment {
  const python = join(folder, 'bin', 'python');
  const ready = join(folder, 'ready');
  if (existsSync(ready)) return { python };
  const run = (program: string, ...args: string[]): string | undefined => {
    const { status, error, stderr } = spawnSync(program, args, { encoding: 'utf8' });
    if (status === 0) return undefined;
    return error?.message ?? stderr.trim().split('\n').at(-1) ?? `${program} ended with ${status}`;
  };
  if (run(PYTHON, '--version') !== undefined) {
    return {
      missing: `${PYTHON} was not found; install it, or pass a Python that has ${packages[0]} with --python`,
    };
  }
  console.log(
    `creating ${folder} with ${[...packages, ...optional].join(', ')}; this takes some minutes, once`,
  );
  const failed =
    run(PYTHON, '-m', 'venv', folder) ?? run(python, '-m', 'pip', 'install', '--quiet', ...packages);
  if (failed !== undefined) return { missing: failed };
  for (const name of optional) run(python, '-m', 'pip', 'install', '--quiet', name);
  writeFileSync(ready, '');
  return { python };
}
