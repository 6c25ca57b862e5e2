/** Runs a piece of module code in a Node.js process of its own, so that a crash is seen and not shared. */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

export interface Ended {
  /** Exit code; null when a signal ended the process. */
  status: number | null;
  signal: NodeJS.Signals | null;
  output: string;
}

const root = fileURLToPath(new URL('../..', import.meta.url));

/** The library that stands in for a CUDA driver; as SPINEGRAD_CUDA_LIBRARY. */
export const SIMULATOR = `${root}build/Release/libcuda-simulator.so`;

type Variables = Record<string, string>;

/** `code` may import `#spinegrad/...`; `flags` are Node.js's own; `env` is added to that of this process. */
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
