import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { commitOf, provenance } from '#spinegrad/io/provenance.js';
import { VERSION } from '#spinegrad/io/version.js';

const folder = mkdtempSync(join(tmpdir(), 'spinegrad-git-'));
afterAll(() => rmSync(folder, { recursive: true }));

const git = (...args: string[]) =>
  execFileSync('git', ['-C', folder, '-c', 'user.name=t', '-c', 'user.email=t@example.org', ...args], {
    encoding: 'utf8',
  });

describe('provenance', () => {
  it('has the version of the package and the time', () => {
    const { version, commit, date } = provenance();
    expect(version).toBe(VERSION);
    expect(commit).toMatch(/^([0-9a-f]{40}(-dirty)?|unknown)$/);
    expect(Math.abs(Date.now() - Date.parse(date))).toBeLessThan(60_000);
  });

  it('names the commit of a checkout, and whether files were changed', () => {
    expect(commitOf(folder)).toBe('unknown');
    git('init', '--quiet');
    expect(commitOf(folder)).toBe('unknown');
    writeFileSync(join(folder, 'file'), '1');
    git('add', 'file');
    git('commit', '--quiet', '-m', 'test: add a file');
    const commit = git('rev-parse', 'HEAD').trim();
    git('tag', 'v1');
    expect(commitOf(folder)).toBe(commit);
    writeFileSync(join(folder, 'file'), '2');
    expect(commitOf(folder)).toBe(`${commit}-dirty`);
  });

  it('is unknown in a folder that is not the root of the checkout', () => {
    expect(commitOf(join(folder, 'node_modules', 'spinegrad'))).toBe('unknown');
  });
});
