/** nvcc and the host compiler read the same kernels: names and the layout of parameters are equal in both builds. */
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { kernelsOf } from './cubin.js';
import { BUILD, run } from './run.js';

const root = join(import.meta.dirname, '..', '..');
const hasNvcc = spawnSync('nvcc', ['--version']).status === 0;

/** All kernels of a folder by name, from cubins that nvcc makes of them. */
async function compiled(folder: string): Promise<Map<string, string[]>> {
  const files = readdirSync(join(root, folder)).filter((file) => file.endsWith('.cu'));
  const out = mkdtempSync(join(tmpdir(), 'spinegrad-cubin-'));
  const kernels = new Map<string, string[]>();
  const compileRest = async (): Promise<void> => {
    for (let file = files.pop(); file !== undefined; file = files.pop()) {
      const cubin = join(out, `${file}.cubin`);
      // Unoptimised: the interface is all that is looked at.
      const options = [
        '-cubin',
        '-arch=sm_90',
        '-std=c++20',
        '-Xptxas',
        '-O0',
        '-I.',
        '-o',
        cubin,
        join(folder, file),
      ];
      const nvcc = spawn('nvcc', options, { cwd: root, stdio: ['ignore', 'ignore', 'inherit'] });
      expect(await new Promise((done) => nvcc.on('close', done)), file).toBe(0);
      for (const [name, layout] of kernelsOf(cubin)) kernels.set(name, layout);
    }
  };
  await Promise.all([compileRest(), compileRest()]);
  return kernels;
}

function simulated(library: string): Map<string, string[]> {
  const { output } = run('simulator-kernels', [join(BUILD, library)]);
  const lines = output
    .trim()
    .split('\n')
    .map((line) => line.split(' '));
  return new Map(lines.map(([name, ...layout]) => [name!, layout]));
}

describe.skipIf(!hasNvcc)('kernels as nvcc and as the simulator see them (needs nvcc)', () => {
  it('agree', async () => {
    const expected = await compiled('kernels');
    expect(expected.size).toBeGreaterThan(0);
    const sorted = (kernels: Map<string, string[]>) => [...kernels].sort(([a], [b]) => (a < b ? -1 : 1));
    expect(sorted(simulated('libcuda-simulator.so'))).toEqual(sorted(expected));
  }, 600_000);
});
