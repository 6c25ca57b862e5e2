/** What is published, and what the addon asks of the machine that loads it. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));

const run = (command: string, ...args: string[]): string =>
  execFileSync(command, args, { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });

describe('the addon', () => {
  const dynamic = run('readelf', '--dynamic', '--wide', 'build/Release/spinegrad.node');

  it('finds the libraries that a package ships beside it, and lends that path to them', () => {
    expect(dynamic).toMatch(/\(RPATH\).*\[\$ORIGIN\]/);
    expect(dynamic).not.toContain('(RUNPATH)');
  });

  it('stays mapped when a worker ends', () => {
    expect(dynamic).toMatch(/\(FLAGS_1\).*NODELETE/);
  });

  it('links neither CUDA nor anything else that a bare machine lacks', () => {
    const needed = [...dynamic.matchAll(/\(NEEDED\).*\[(.+?)\.so/g)].map((match) => match[1]);
    expect(needed.sort()).toEqual([
      'ld-linux-x86-64',
      'libc',
      'libdnnl',
      'libgcc_s',
      'libgomp',
      'libm',
      'libstdc++',
    ]);
  });
});

describe('npm pack', () => {
  const [{ files }] = JSON.parse(run('npm', 'pack', '--dry-run', '--json', '--ignore-scripts')) as [
    { files: { path: string }[] },
  ];
  const paths = files.map(({ path }) => path);

  it.each([
    'CHANGELOG.md',
    'LICENSE',
    'NOTICE',
    'README.md',
    'package.json',
    'train.js',
    'dist/cli/main.js',
    'dist/index.js',
    'dist/index.d.ts',
    'docs/architecture.md',
  ])('takes %s', (path) => {
    expect(paths).toContain(path);
  });

  it('takes compiled code, prebuilt binaries, documents, and no more', () => {
    const others = paths.filter(
      (path) => !/^(dist\/.*\.(js|d\.ts)|prebuilds\/[^/]+\/.+|docs\/.*\.md|[^/]+)$/.test(path),
    );
    expect(others).toEqual([]);
    expect(paths).not.toContain('binding.gyp');
  });

  it('runs nothing where it is installed', () => {
    const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { scripts: object };
    const atInstall = ['preinstall', 'install', 'postinstall'];
    expect(Object.keys(scripts).filter((name) => atInstall.includes(name))).toEqual([]);
  });
});
