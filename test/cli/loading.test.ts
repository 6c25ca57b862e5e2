/** Which modules a command loads. What it does not need costs start time: dcmjs alone takes longer than Node's start. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { temporaryFolder } from '../training/runs.js';
import { CLI, root, run } from './command.js';

/** A loader hook that appends the URL of each resolved module to $LOADED. */
const HOOK = `
  import { appendFileSync } from 'node:fs';
  export async function resolve(specifier, context, next) {
    const resolved = await next(specifier, context);
    appendFileSync(process.env.LOADED, resolved.url + '\\n');
    return resolved;
  }`;
const asData = (code: string) => `data:text/javascript,${encodeURIComponent(code)}`;
const REGISTER = asData(`import { register } from 'node:module'; register(${JSON.stringify(asData(HOOK))});`);

let folder: string;
beforeAll(async () => {
  folder = await temporaryFolder();
});

let runs = 0;
/** Runs Node.js and returns the packages and the files of dist/ that it resolved. */
async function loaded(args: readonly string[]): Promise<string[]> {
  const file = join(folder, `loaded-${runs++}`);
  const ended = await run(process.execPath, ['--import', REGISTER, ...args], { LOADED: file });
  expect(ended).toMatchObject({ status: 0, stderr: '' });
  const names = readFileSync(file, 'utf8')
    .trim()
    .split('\n')
    .filter((url) => url.startsWith('file:'))
    .map(
      (url) =>
        /\/node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(url)?.[1] ?? url.slice(pathToFileURL(root).href.length),
    );
  return [...new Set(names)].sort();
}

const HEAVY = ['dcmjs', 'dcmjs-codecs', 'umap-js'];

describe('a command loads what it needs:', () => {
  it('--version', async () => {
    expect(await loaded([CLI, '--version'])).toEqual([
      'commander',
      'dist/cli/exitCodes.js',
      'dist/cli/main.js',
      'dist/error.js',
      'dist/io/version.js',
      'dist/packageRoot.js',
    ]);
  });

  it('--help', async () => {
    const names = await loaded([CLI, '--help']);
    expect(names).toContain('dist/cli/study.js');
    expect(names.filter((name) => HEAVY.includes(name))).toEqual([]);
  });

  it('a command without the other commands', async () => {
    const names = await loaded([CLI, 'doctor', '--help']);
    expect(names.filter((name) => name.startsWith('dist/cli/'))).toEqual([
      'dist/cli/doctor.js',
      'dist/cli/exitCodes.js',
      'dist/cli/main.js',
    ]);
  });
});

it.each(['index', 'spine'])('%s.js loads neither the codecs nor the writer of DICOM files', async (entry) => {
  const names = await loaded(['--eval', `import('./dist/${entry}.js')`]);
  expect(names).toContain(`dist/${entry}.js`);
  expect(names.filter((name) => HEAVY.includes(name))).toEqual([]);
});
