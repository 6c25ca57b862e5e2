/** Runs module code in a separate Node.js process, so that a test can observe a crash. */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

export interface Ended {
  /** Exit code; null when a signal ended the process. */
  status: number | null;
  signal: NodeJS.Signals | null;
  output: string;
}

const root = fileURLToPath(new URL('../..', import.meta.url));

/** The simulated CUDA driver, a value for SPINEGRAD_CUDA_LIBRARY. */
export const SIMULATOR = `${root}build/Release/libcuda-simulator.so`;

/** A CUDA driver that computes nothing and records calls (simulator/null). */
export const NULL_DRIVER = `${root}build/Release/libcuda-null.so`;

type Variables = Record<string, string>;

/** `code` can import `#spinegrad/...`; `flags` are options of Node.js; `env` is added to the current environment. */
export function runModule(
  code: string,
  { flags = [] as string[], env = {} as Variables } = {},
): Promise<Ended> {
  return run([...flags, '--input-type=module', '--eval', code], env);
}

export function run(args: readonly string[], env: Variables = {}): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const options = { cwd: root, env: { ...process.env, ...env } };
    const child = spawn(process.execPath, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        output += text;
      });
    }
    child.on('error', reject);
    child.on('close', (status, signal) => resolve({ status, signal, output }));
  });
}
