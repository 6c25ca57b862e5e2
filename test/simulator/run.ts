/** Runs the programs of this folder. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

export const BUILD = join(import.meta.dirname, '..', '..', 'build', 'Release');

export const ORDERS = ['forward', 'reverse', 'random:1', 'random:2'];

/** What `program` says, first on stderr, then on stdout. */
export function run(program: string, args: string[], environment: Record<string, string> = {}) {
  const { stdout, stderr, status } = spawnSync(join(BUILD, program), args, {
    encoding: 'utf8',
    env: { ...process.env, ...environment },
  });
  return { output: stderr + stdout, status };
}

/** A pattern for `parts` in their order; LINE in them stands for a line of wrong.cu. */
export function inOrder(parts: readonly string[]): RegExp {
  const escaped = parts.map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  return new RegExp(escaped.join('[^]*').replaceAll('LINE', 'test/simulator/kernels/wrong\\.cu:\\d+'));
}
