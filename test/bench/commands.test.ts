/** The commands bench:peers and bench:growth run. Times are not tested. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { readDataset } from '#spinegrad/data/dataset.js';
import { studyFolders } from '../../bench/growth/studies.js';
import { COMPARISONS } from '../../bench/peers/workloads.js';

const root = join(import.meta.dirname, '..', '..');
const folder = mkdtempSync(join(tmpdir(), 'spinegrad-bench-test-'));
afterAll(() => rmSync(folder, { recursive: true }));

function run(...args: string[]): string {
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd: root, encoding: 'utf8' });
  expect(status, stdout + stderr).toBe(0);
  return stdout;
}

beforeAll(() => {
  run('node_modules/typescript/bin/tsc', '-p', 'bench/tsconfig.json');
});

it('bench:peers runs without PyTorch and reports that it is missing', () => {
  const output = run('build/bench/peers/main.js', '--dry', '--python', '/nowhere/python');
  expect(output).toContain('PyTorch is not available: spawn /nowhere/python ENOENT');
  expect(output).toContain('DRY RUN, NO MEASUREMENT');
  expect(output).toContain('ran focal loss, 10 x 3');
});

it('each comparison of bench:peers has a target and a description', () => {
  const comparisons = Object.values(COMPARISONS).flat();
  expect(comparisons.length).toBeGreaterThan(10);
  for (const { targets, description } of comparisons) {
    expect(targets.length).toBeGreaterThan(0);
    expect(description).not.toBe('');
  }
});

it('bench:growth prints a table and writes a figure', () => {
  const figure = join(folder, 'figure.svg');
  const options = ['--workload', 'contrast', '--largest', '256', '--no-save'];
  const output = run('build/bench/growth/main.js', ...options, '--figure', figure);
  expect(output).toMatch(/^\| 256 \| [\d.]+ \| [\d.]+ \|/m);
  expect(readFileSync(figure, 'utf8')).toContain('InfoNCE forward and backward, ms');
});

it('studyFolders copies studies to reach the requested number', async () => {
  const out = join(folder, 'studies');
  mkdirSync(out);
  const data = (await studyFolders(out, [7], 3)).get(7)!;
  const { studies, skipped } = await readDataset(data);
  expect(studies).toHaveLength(7);
  expect(skipped).toEqual([]);
});
