/** Exit codes are those of the table in docs/architecture.md, and bad values have the same one in every command. */
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { EXIT, EXIT_CODES } from '#spinegrad/cli/exitCodes.js';
import { failure, root, spinegrad } from './command.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'spinegrad-exit-'));
});

it('the table has every exit code and the errors with their codes', () => {
  const text = readFileSync(join(root, 'docs/architecture.md'), 'utf8');
  const rows = [...text.matchAll(/^\| (\d+) \| (.*) \|$/gm)].map(
    ([, code, meaning]) => [code, meaning!] as const,
  );
  expect(rows.map(([code]) => Number(code))).toEqual([0, ...Object.values(EXIT), 129, 130, 143]);
  const documented = rows.flatMap(([code, meaning]) =>
    (meaning.match(/ERR_[A-Z_]+/g) ?? []).map((name) => [name, Number(code)]),
  );
  expect(Object.fromEntries(documented)).toEqual(EXIT_CODES);
});

describe('a bad value exits with 2', () => {
  it.each([
    [['phantom', '--studies', '0', '--out', 'OUT']],
    [['phantom', '--slices', '0', '--out', 'OUT']],
    [['prepare', '--size', '1', '--data', 'DATA', '--out', 'OUT']],
    [['prepare', '--extent-mm', '1e9', '--data', 'DATA', '--out', 'OUT']],
    [['prepare', '--folds', '1', '--fold', '0', '--data', 'DATA', '--out', 'OUT']],
    [['train', '--set', 'encoder.width=0', '--out', 'OUT']],
    [['train', '--set', 'encoder.width=1e6', '--out', 'OUT']],
    [['study', '--folds', '0', '--data', 'DATA', '--out', 'OUT']],
    [['predict', 'x.dcm', '--model', 'DATA', '--spacing', '-1']],
    [['evaluate', '--model', 'DATA', '--device', 'gpu']],
  ])('%j', async (args) => {
    const ended = await spinegrad(
      ...args.map((arg) => (arg === 'OUT' ? join(folder, 'out') : arg === 'DATA' ? folder : arg)),
    );
    expect(ended.stderr.trim()).not.toBe('');
    expect(ended.status).toBe(EXIT.usage);
  });
});

describe('a file that cannot be written', () => {
  it.each([
    [['evaluate', '--model', 'NONE', '--json', 'FILE']],
    [['evaluate', '--predictions', 'NONE', '--json', 'FILE']],
    [['predict', 'NONE', '--model', 'NONE', '--json', 'FILE']],
    [['predict', 'NONE', '--model', 'NONE', '--overlay', 'FILE']],
    [['predict', 'NONE', '--model', 'NONE', '--saliency', 'FILE']],
    [['prepare', '--check', '--data', 'NONE', '--json', 'FILE']],
    [['inspect', 'NONE', '--npy', 'FILE']],
  ])('fails before the work: %j', async (args) => {
    for (const file of [join(folder, 'missing', 'x.json'), folder]) {
      const ended = await spinegrad(...args.map((arg) => (arg === 'FILE' ? file : arg)));
      expect(failure(ended)).toMatch(
        /ERR_WRITE: cannot write .*: (the folder does not exist|it is a folder)/,
      );
    }
  });

  it('leaves nothing behind if it can be written', async () => {
    const out = join(folder, 'empty');
    mkdirSync(out);
    const ended = await spinegrad('inspect', 'NONE', '--npy', join(out, 'x.npy'));
    expect(failure(ended)).not.toMatch(/ERR_WRITE/);
    expect(existsSync(out) && readdirSync(out)).toEqual([]);
  });
});
