/** Command lines in messages: a shell reads them back, and an installed package names only what it has. */
import { execFileSync } from 'node:child_process';
import { cp, mkdtemp, readdir, readFile, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { commandLine } from '#spinegrad/io/commandLine.js';
import { root, run } from '../cli/command.js';

it('is read by a shell as the same arguments', () => {
  const args = ['--out', '/runs/my run', "it's", '$HOME', 'a"b', '*', 'plain-1.5/x', ''];
  const line = commandLine('study', ...args);
  expect(line).toMatch(/^npx spinegrad study --out '\/runs\/my run' /);
  const read = execFileSync('sh', ['-c', `npx() { printf '%s\\n' "$@"; }; ${line}`], { encoding: 'utf8' });
  expect(read.split('\n').slice(0, -1)).toEqual(['spinegrad', 'study', ...args]);
});

it('names train.js in the source tree', () => {
  expect(commandLine('train', '--resume', '--out', 'my run')).toBe("node train.js --resume --out 'my run'");
});

it('names in an installed package only commands of the package', async () => {
  const installed = join(await mkdtemp(join(tmpdir(), 'spinegrad-installed-')), 'spinegrad');
  for (const part of ['dist', 'package.json'])
    await cp(join(root, part), join(installed, part), { recursive: true });
  await symlink(join(root, 'node_modules'), join(installed, 'node_modules'));
  const spinegrad = (...args: string[]) =>
    run(process.execPath, [join(installed, 'dist/cli/main.js'), ...args]);
  const doctor = await spinegrad('doctor');
  const missing = doctor.stdout.trimEnd().split('\n').at(-1)!;
  expect(missing).toMatch(/glibc 2\.34; install the package again with: npm install spinegrad$/);
  expect(missing.match(/\S*(\/build\/|compiled|libdnnl|oneDNN)/g)).toBeNull();
  const { commandLine: ofPackage } = await import(join(installed, 'dist/io/commandLine.js'));
  expect(ofPackage('train', '--out', 'x')).toBe('npx spinegrad train --out x');
  for (const name of await readdir(join(installed, 'dist'), { recursive: true })) {
    if (!name.endsWith('.js') || ['io/commandLine.js', 'engine/native.js'].includes(name)) continue;
    const text = (await readFile(join(installed, 'dist', name), 'utf8')).replace(/^\s*(\/?\*|\/\/).*$/gm, '');
    const found = text.match(/[^/](train\.js |node train|setup\.sh|scripts\/[\w-]+\.(sh|js)|npm run build)/);
    expect(found, `${name}: ${found?.[0]}`).toBeNull();
  }
});
