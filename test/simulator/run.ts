/** Runs the test programs of this folder. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

export const BUILD = join(import.meta.dirname, '..', '..', 'build', 'Release');

export const ORDERS = ['forward', 'reverse', 'random:1', 'random:2'];

/** Runs a program and returns its stderr followed by its stdout, and its exit status. */
export function run(program: string, args: string[], environment: Record<string, string> = {}) {
  const { stdout, stderr, status } = spawnSync(join(BUILD, program), args, {
    encoding: 'utf8',
    env: { ...process.env, ...environment },
  });
  return { output: stderr + stdout, status };
}

/** A pattern that matches `parts` in this order. LINE in a part matches a line of faulty.cu. */
export function inOrder(parts: readonly string[]): RegExp {
  const escaped = parts.map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  return new RegExp(escaped.join('[^]*').replaceAll('LINE', 'test/simulator/kernels/faulty\\.cu:\\d+'));
}
