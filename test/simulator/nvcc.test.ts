/**
 * nvcc compiles the kernels for every architecture: none spills, each uses the resources in docs/kernels/resources.md, and
 * names and parameters agree with the host compiler's.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import * as command from '../cli/command.js';
import { BUILD, run } from './run.js';

const { stdout: nvcc } = spawnSync('nvcc', ['--version'], { encoding: 'utf8' });
const [, major = 0, minor = 0] = /release (\d+)\.(\d+)/.exec(nvcc ?? '')?.map(Number) ?? [];

/** Keyed by kernel, then by architecture. */
type Found = Record<string, Record<string, { parameters: string[] }>>;

function simulated(): Map<string, string[]> {
  const { output } = run('simulator-kernels', [join(BUILD, 'libcuda-simulator.so')]);
  const lines = output.trim().split('\n');
  return new Map(lines.map((line) => line.split(' ')).map(([name, ...parameters]) => [name!, parameters]));
}

describe.skipIf(major * 100 + minor < 1208)('the kernels compiled by nvcc (needs CUDA 12.8)', () => {
  it('use the resources in the table, do not spill, and have the same parameters on the simulator', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'spinegrad-nvcc-'));
    try {
      const file = join(folder, 'kernels.json');
      const script = join(command.root, 'scripts', 'kernel-resources.js');
      const { status, stdout, stderr } = await command.run(process.execPath, [script, '--json', file]);
      expect(status, stdout + stderr).toBe(0);
      const found = JSON.parse(readFileSync(file, 'utf8')) as Found;
      const expected = simulated();
      expect(Object.keys(found).sort()).toEqual([...expected.keys()].sort());
      for (const [name, architectures] of Object.entries(found)) {
        const parameters = expected.get(name);
        expect(Object.keys(architectures)).toHaveLength(7);
        for (const [architecture, kernel] of Object.entries(architectures)) {
          expect({ name, architecture, ...kernel }).toMatchObject({ name, architecture, parameters });
        }
      }
    } finally {
      rmSync(folder, { recursive: true });
    }
  }, 1_200_000);
});
