/** The bench beside PyTorch: that it runs where Python has no PyTorch, and says so. What it measures is not tested. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { COMPARISONS } from '../../bench/peers/works.js';

const root = join(import.meta.dirname, '..', '..');

it('runs alone where there is no PyTorch', () => {
  const run = (program: string, args: readonly string[]) => {
    const { status, stdout, stderr } = spawnSync(program, args, { cwd: root, encoding: 'utf8' });
    expect(status, stdout + stderr).toBe(0);
    return stdout;
  };
  run(process.execPath, ['node_modules/typescript/bin/tsc', '-p', 'bench/tsconfig.json']);
  const output = run(process.execPath, ['build/bench/peers/main.js', '--dry', '--python', '/nowhere/python']);
  expect(output).toContain('PyTorch is not there: spawn /nowhere/python ENOENT');
  expect(output).toContain('A DRY RUN, NO MEASUREMENT');
  expect(output).toContain('ran focal loss, 10 x 3');
});

it('has the targets of every work', () => {
  const all = Object.values(COMPARISONS).flat();
  expect(all.length).toBeGreaterThan(10);
  for (const { targets, same } of all) {
    expect(targets.length).toBeGreaterThan(0);
    expect(same).not.toBe('');
  }
});
