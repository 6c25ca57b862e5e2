/** Runs the command line in its own process. */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('../..', import.meta.url));
export const CLI = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

export interface Ended {
  /** Exit code; null when a signal ended the process. */
  status: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

export function run(command: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Ended> {
  const child = spawn(command, args, {
    cwd: root,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const output = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (text: string) => {
      output[name] += text;
    });
  }
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (status, signal) => resolve({ status, signal, ...output }));
  });
}

export const spinegrad = (...args: readonly string[]): Promise<Ended> =>
  run(process.execPath, [CLI, ...args]);

/** The error line that a failed command prints last. Throws if there is none, a second one or a stack trace. */
export function failure({ stderr }: Ended): string {
  const lines = stderr.split('\n').filter((line) => line !== '');
  const found = lines.filter((line) => line.startsWith('spinegrad: ERR_'));
  if (found.length !== 1 || lines.at(-1) !== found[0] || /^\s+at /m.test(stderr)) {
    throw new Error(`expected exactly one error line, at the end, found:\n${stderr}`);
  }
  return found[0]!;
}
