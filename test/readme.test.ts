/** Compiles the examples of documents against the package's types, and runs them as JavaScript. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));

/** The first example of a section. Throws if it does not compile with the options that the README names. */
function run(document: string, section: string, language: string): string[] {
  const text = readFileSync(join(root, document), 'utf8').split(`\n## ${section}\n`)[1]!;
  const [, code] = new RegExp(`\`\`\`${language}\\n(.*?)\`\`\``, 's').exec(text)!;
  const folder = join(root, 'build', 'readme');
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'example.mts'), code!);
  const options = '--strict --module nodenext --target es2022 --lib es2023,esnext.disposable --types node';
  const tsc = join(root, 'node_modules', '.bin', 'tsc');
  execFileSync(tsc, [...options.split(' '), 'example.mts'], { cwd: folder, stdio: 'pipe' });
  if (language === 'js') writeFileSync(join(folder, 'example.mjs'), code!);
  const output = execFileSync(process.execPath, ['example.mjs'], { cwd: folder, encoding: 'utf8' });
  return output.trim().split('\n');
}

it('the example of the README is TypeScript and JavaScript, and its loss halves', () => {
  const losses = run('README.md', 'The engine', 'js')
    .slice(1)
    .map((line) => Number(line.split(' ')[1]));
  expect(losses).toHaveLength(20);
  expect(losses.at(-1)).toBeLessThan(losses[0]! / 2);
});

it('the operation of docs/networks.md has its gradient', () => {
  expect(run('docs/networks.md', 'An operation of your own', 'ts')).toEqual(['Float32Array(2) [ 4, -6 ]']);
});
