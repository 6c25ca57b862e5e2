/** Each command in its own process: help, exit codes and results. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { cp, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import type { BankManifest } from '#spinegrad/data/types.js';
import { SERIES, tinyDicom } from '../data/layout.js';
import {
  evaluated,
  idsOf,
  readSummary,
  type Settings,
  temporaryFolder,
  tinyStudies,
  trainHere,
} from '../training/runs.js';
import { type Ended, failure, root, run, spinegrad } from './command.js';

let data: string;
let model: string;

beforeAll(async () => {
  data = await tinyStudies();
  model = await temporaryFolder();
  await trainHere(model, data);
});

const seriesOf = (study: string) => join(data, 'train_images', study, SERIES);

function output({ status, stdout, stderr }: Ended): string {
  expect(stderr).not.toMatch(/ERR_|\n\s+at /);
  expect(status).toBe(0);
  return stdout;
}

const COMMANDS = ['phantom', 'prepare', 'train', 'study', 'evaluate', 'predict', 'inspect', 'doctor'];

describe('the command line', () => {
  it('prints its commands and its version', async () => {
    const help = output(await spinegrad('--help'));
    for (const command of COMMANDS) expect(help).toMatch(new RegExp(`^  ${command}\\b`, 'm'));
    const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
    expect(output(await spinegrad('--version'))).toBe(`${version}\n`);
  });

  it.each(COMMANDS)('%s --help; an unknown option is a usage error', async (command) => {
    const [help, unknown] = await Promise.all([
      spinegrad(command, '--help'),
      spinegrad(command, '--nonsense'),
    ]);
    expect(output(help)).toMatch(new RegExp(`^Usage: spinegrad ${command} `));
    expect(unknown).toMatchObject({ status: 2, stdout: '' });
    expect(unknown.stderr).toMatch(/^error: [^\n]*\n$/);
  });

  it.each([
    [[]],
    [['grade']],
    [['phantom', '--out', 'x', '--studies', 'many']],
    [['train', '--preset', 'huge']],
    [['predict', 'x']],
    [['predict', 'x', '--model', 'y', '--spacing', '0']],
    [['inspect']],
  ])('%j is a usage error', async (args) => {
    expect(await spinegrad(...args)).toMatchObject({ status: 2, stdout: '' });
  });

  it('train.js runs the train command', async () => {
    const help = await run(process.execPath, [join(root, 'train.js'), '--help']);
    expect(output(help)).toBe(output(await spinegrad('train', '--help')));
    const wrong = await run(process.execPath, [join(root, 'train.js'), '--set', 'nonsense=1']);
    expect(failure(wrong)).toMatch(/ERR_CONFIG/);
    expect(wrong.status).toBe(2);
  });

  it('exits with 0 if the reader of its output closes the pipe', async () => {
    const file = join(seriesOf(idsOf(data)[0]!), '1.dcm');
    const command = `"${process.execPath}" dist/cli/main.js inspect "${file}" | true; echo "\${PIPESTATUS[0]}"`;
    expect(await run('bash', ['-c', command])).toMatchObject({ stdout: '0\n', stderr: '' });
  });
});

describe('phantom and prepare', () => {
  it('write studies, cut their bank and print a summary', async () => {
    const folder = await temporaryFolder();
    const [studies, bank] = [join(folder, 'studies'), join(folder, 'bank')];
    const made = output(await spinegrad('phantom', '--out', studies, '--studies', '1', '--slices', '3'));
    expect(made).toMatch(/^1 synthetic studies in /);
    expect(readdirSync(studies).sort()).toEqual(
      expect.arrayContaining(['phantom.json', 'train.csv', 'train_images', 'train_label_coordinates.csv']),
    );
    const cut = output(await spinegrad('prepare', '--data', studies, '--out', bank, '--neighbours', '0'));
    expect(cut).toMatch(/^phantom \(rsna layout\): 1 studies \(.*\), 5 graded discs\n/);
    const manifest = JSON.parse(readFileSync(join(bank, 'manifest.json'), 'utf8')) as BankManifest;
    expect(manifest).toMatchObject({ synthetic: true, studies: 1, discs: 5 });
    const described = output(await spinegrad('inspect', join(studies, manifest.slices[0]!.file)));
    expect(JSON.parse(described)).toMatchObject({ plane: 'sagittal' });
    const again = await spinegrad('phantom', '--out', studies, '--studies', '1');
    expect(failure(again)).toMatch(/ERR_OUT_NOT_EMPTY/);
    expect(again.status).toBe(1);
  });
});

describe('evaluate', () => {
  const numbers = (folder: string) => evaluated(readSummary(folder));

  it('gives the numbers of the run, also after the run folder was moved', async () => {
    const moved = join(await temporaryFolder(), 'moved');
    await cp(model, moved, { recursive: true });
    const result = JSON.parse(output(await spinegrad('evaluate', '--model', moved, '--device', 'cpu')));
    expect(result).toMatchObject({ ...numbers(model), synthetic: false, studies: 10 });
  });

  it.each<Settings>([
    { 'localization.network': 'regression' },
    { 'data.roiMode': 'pixels', 'data.neighbours': 0, 'encoder.depth': 34 },
  ])('gives the numbers of a run with %o', async (settings) => {
    const [other, json] = [await temporaryFolder(), join(await temporaryFolder(), 'result.json')];
    await trainHere(other, data, settings);
    expect(output(await spinegrad('evaluate', '--model', other, '--json', json))).toBe('');
    expect(JSON.parse(readFileSync(json, 'utf8'))).toMatchObject(numbers(other));
  });

  it('gives the numbers of the run from its predictions', async () => {
    const result = await spinegrad('evaluate', '--predictions', join(model, 'predictions.csv'));
    expect(JSON.parse(output(result))).toEqual(numbers(model));
  });

  it('leaves studies out whose images the run was trained on, and reports them', async () => {
    const mixed = await temporaryFolder();
    await cp(data, mixed, { recursive: true });
    const [first, second, ...trained] = idsOf(mixed);
    for (const [index, study] of [first!, second!].entries()) {
      const image = tinyDicom({ instanceNumber: 2, x: 0, mark: 50 * (index + 1) });
      await writeFile(join(mixed, 'train_images', study, SERIES, '2.dcm'), image);
    }
    const ended = await spinegrad('evaluate', '--model', model, '--data', mixed);
    const result = JSON.parse(output(ended));
    expect(ended.stderr).toContain('left out 8 of 10 studies, because the run was trained on their images');
    expect(result.trainingStudies.sort()).toEqual(trained.sort());
    expect(result.studies).toBe(2);
    expect(result.tasks[0].arms[0].annotated.patients).toBe(2);
  });

  it('refuses a folder of which the run was trained on all images', async () => {
    const ended = await spinegrad('evaluate', '--model', model, '--data', data);
    expect(failure(ended)).toMatch(/ERR_DATA_EMPTY: .* all 10 studies; .* --include-training$/);
  });

  it('evaluates all studies of another folder with --include-training', async () => {
    const args = ['--model', model, '--data', data, '--include-training'];
    const result = JSON.parse(output(await spinegrad('evaluate', ...args)));
    expect(result.trainingStudies).toEqual([]);
    expect(result.tasks[0].arms[0].annotated.patients).toBe(10);
    expect(result.localization.n).toBe(50);
  });

  it('refuses an unfinished run', async () => {
    const other = await temporaryFolder();
    await cp(join(model, 'config.json'), join(other, 'config.json'));
    const ended = await spinegrad('evaluate', '--model', other);
    expect(failure(ended)).toMatch(
      /ERR_MODEL_MISSING: .*is not finished; resume it with `node train\.js --resume/,
    );
    expect(ended.status).toBe(1);
  });
});

describe('predict', () => {
  it('refuses a folder that shows no lumbar spine with exit code 3', async () => {
    const ended = await spinegrad('predict', seriesOf(idsOf(data)[0]!), '--model', model);
    expect(failure(ended)).toMatch(
      /ERR_NOT_LUMBAR: .*does not look like a sagittal slice of the lumbar spine/,
    );
    expect(ended.status).toBe(3);
    expect(ended.stdout).toBe('');
  });

  it('prints one line for invalid input', async () => {
    const nothing = await spinegrad('predict', '/nowhere', '--model', model);
    expect(failure(nothing)).toMatch(/ERR_FILE_NOT_FOUND: \/nowhere: /);
    expect(nothing.status).toBe(1);
    const arm = await spinegrad('predict', data, '--model', model, '--arm', 'best');
    expect(failure(arm)).toMatch(/ERR_MODEL_ARM: .*expected one of scratch, frozen, contrastive/);
  });
});

describe('inspect', () => {
  it('describes a file, writes its pixels and refuses a file that is not DICOM', async () => {
    const folder = await temporaryFolder();
    const npy = join(folder, 'pixels.npy');
    const file = join(seriesOf(idsOf(data)[0]!), '2.dcm');
    const described = JSON.parse(output(await spinegrad('inspect', file, '--npy', npy)));
    expect(described).toMatchObject({ path: file, rows: 48, columns: 40, plane: 'sagittal' });
    expect(statSync(npy).size % (48 * 40 * 4)).toBeLessThan(256);
    const wrong = await spinegrad('inspect', join(root, 'package.json'));
    expect(failure(wrong)).toMatch(/ERR_DICOM_NOT_DICOM: .*package\.json: /);
    expect(wrong.status).toBe(1);
  });
});

describe('doctor', () => {
  it('prints versions, device and reason', async () => {
    const text = output(await spinegrad('doctor'));
    expect(text).toMatch(/^spinegrad +\d+\.\d+\.\d+$/m);
    expect(text).toContain(`node         ${process.version}`);
    expect(text).toMatch(/^device +cpu: auto uses the CPU/m);
    expect(text).toMatch(/^cuda +\S/m);
    expect(text).toMatch(/oneDNN \d/);
    expect(text).toMatch(/\nready: node train\.js\n$/);
  });

  it('exits with 1 and prints how to build a missing addon', async () => {
    const copy = await temporaryFolder();
    for (const part of ['dist', 'package.json', 'train.js', 'scripts']) {
      await cp(join(root, part), join(copy, part), { recursive: true });
    }
    await symlink(join(root, 'node_modules'), join(copy, 'node_modules'));
    const ended = await run(process.execPath, [join(copy, 'dist/cli/main.js'), 'doctor']);
    expect(ended).toMatchObject({ status: 1, stderr: '' });
    expect(ended.stdout).toMatch(/^device +none$/m);
    expect(ended.stdout.trimEnd().split('\n').at(-1)).toMatch(/npm run build|setup\.sh/);

    await rm(join(copy, 'dist'), { recursive: true });
    const unbuilt = await run(process.execPath, [join(copy, 'train.js')]);
    expect(failure(unbuilt)).toMatch(/ERR_NOT_BUILT: .*setup\.sh/);
    expect(unbuilt.status).toBe(1);
  });
});
