/** A Python environment in build/, with the packages that a bench compares with. */
import { spawnSync } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const PYTHON = 'python3.11';

export type Environment = { python: string } | { missing: string };

/** Makes it if it is not there yet. `optional` packages may be missing from the index. */
export function environment(
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
      missing: `there is no ${PYTHON}; install it, or name a Python that has ${packages[0]} by --python`,
    };
  }
  console.log(`making ${folder} with ${[...packages, ...optional].join(', ')}: some minutes, once`);
  const failed =
    run(PYTHON, '-m', 'venv', folder) ?? run(python, '-m', 'pip', 'install', '--quiet', ...packages);
  if (failed !== undefined) return { missing: failed };
  for (const one of optional) run(python, '-m', 'pip', 'install', '--quiet', one);
  writeFileSync(ready, '');
  return { python };
}
