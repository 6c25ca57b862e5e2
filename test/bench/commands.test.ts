/** The benches that are commands with processes of their own: that they run. What they measure is not tested. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { readRsna } from '#spinegrad/data/rsna.js';
import { studyFolders } from '../../bench/growth/studies.js';
import { COMPARISONS } from '../../bench/peers/works.js';

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

it('bench:peers runs alone where there is no PyTorch, and says so', () => {
  const output = run('build/bench/peers/main.js', '--dry', '--python', '/nowhere/python');
  expect(output).toContain('PyTorch is not there: spawn /nowhere/python ENOENT');
  expect(output).toContain('A DRY RUN, NO MEASUREMENT');
  expect(output).toContain('ran focal loss, 10 x 3');
});

it('bench:peers has targets for every work', () => {
  const all = Object.values(COMPARISONS).flat();
  expect(all.length).toBeGreaterThan(10);
  for (const { targets, same } of all) {
    expect(targets.length).toBeGreaterThan(0);
    expect(same).not.toBe('');
  }
});

it('bench:growth prints a table and draws a figure', () => {
  const figure = join(folder, 'figure.svg');
  const only = ['--work', 'contrast', '--largest', '256', '--no-save'];
  const output = run('build/bench/growth/main.js', ...only, '--figure', figure);
  expect(output).toMatch(/^\| 256 \| [\d.]+ \| [\d.]+ \|/m);
  expect(readFileSync(figure, 'utf8')).toContain('InfoNCE forward and backward, ms');
});

it('bench:growth makes folders of more studies than its phantom has', async () => {
  const out = join(folder, 'studies');
  mkdirSync(out);
  const data = (await studyFolders(out, [7], 3)).get(7)!;
  const { studies, skipped } = await readRsna(data, 'spinal_canal_stenosis');
  expect(studies).toHaveLength(7);
  expect(skipped).toEqual([]);
});
