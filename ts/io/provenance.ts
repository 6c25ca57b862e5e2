/** Which program wrote a file, and when. */
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { packageRoot } from '../packageRoot.js';
import { VERSION } from './version.js';

/** The program that wrote a file. */
export const programSchema = z.strictObject({
  version: z.string(),
  /** Hash of the git commit, with the suffix `-dirty` if tracked files were changed; `unknown` outside of a checkout. */
  commit: z.string(),
  /** UTC. */
  date: z.iso.datetime(),
});

export type Program = z.output<typeof programSchema>;

/**
 * The version and commit of the running program, and the current time.
 *
 * @example
 * provenance(); // { version: '0.1.0', commit: '2c26b46b…', date: '2026-11-29T10:00:00.000Z' }
 */
export function provenance(): Program {
  return {
    version: VERSION,
    commit: commitOf(packageRoot()),
    date: new Date().toISOString(),
  };
}

/**
 * The commit that is checked out in a folder; `unknown` if the folder is not the root of a checkout or git does not run.
 * An installed package may be inside another repository, whose commit says nothing about the package.
 */
export function commitOf(folder: string): string {
  if (!existsSync(join(folder, '.git'))) return 'unknown';
  const describe = ['describe', '--always', '--dirty', '--exclude=*', '--abbrev=40'];
  try {
    return execFileSync('git', ['--no-optional-locks', '-C', folder, ...describe], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
      timeout: 10_000,
    }).trim();
  } catch {
    return 'unknown';
  }
}
