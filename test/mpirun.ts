/** The mpirun of Debian's Open MPI and MPICH, for tests of several ranks. A missing one skips its tests. */
import { existsSync } from 'node:fs';
import { describe } from 'vitest';
import { CLI, type Ended, run } from './cli/command.js';

const FAMILIES = [
  {
    name: 'Open MPI',
    command: '/usr/bin/mpirun.openmpi',
    options: ['--allow-run-as-root', '--oversubscribe'],
  },
  { name: 'MPICH', command: '/usr/bin/mpirun.mpich', options: [] },
];

/** Runs the command line with two ranks. */
export type Mpirun = (...args: readonly string[]) => Promise<Ended>;

/** Declares the same tests for each family. */
export function describeMpi(tests: (mpirun: Mpirun) => void): void {
  for (const { name, command, options } of FAMILIES) {
    describe.skipIf(!existsSync(command))(`mpirun of ${name}`, () =>
      tests((...args) => run(command, [...options, '-n', '2', process.execPath, CLI, ...args])),
    );
  }
}
