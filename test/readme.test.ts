/** Compiles the example of the README against the package's types and runs it. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));

it('compiles and runs the example of the README, and its loss halves', () => {
  const [, code] = /```ts\n(.*?)```/s.exec(readFileSync(join(root, 'README.md'), 'utf8'))!;
  const folder = join(root, 'build', 'readme');
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'example.mts'), code!);
  const options = '--strict --module nodenext --target es2022 --lib es2023,esnext.disposable --types node';
  const tsc = join(root, 'node_modules', '.bin', 'tsc');
  execFileSync(tsc, [...options.split(' '), 'example.mts'], { cwd: folder, stdio: 'pipe' });
  const output = execFileSync(process.execPath, ['example.mjs'], { cwd: folder, encoding: 'utf8' });
  const losses = output
    .trim()
    .split('\n')
    .slice(1)
    .map((line) => Number(line.split(' ')[1]));
  expect(losses).toHaveLength(20);
  expect(losses.at(-1)).toBeLessThan(losses[0]! / 2);
});
