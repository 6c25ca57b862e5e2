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

/** `code` may import `#spinegrad/...`; `flags` are Node.js's own. */
export function runModule(code: string, { flags = [] as string[] } = {}): Promise<Ended> {
  return run([...flags, '--input-type=module', '--eval', code]);
}

export function run(args: readonly string[]): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });
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
