/** The package as an operator gets it: prebuilt, packed, unpacked elsewhere, computing with the libraries it brings. */
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));
/** glibc of the libdnnl that is shipped: below Debian 12's 2.36, so that older systems can load both. */
const OLDEST_GLIBC = 34;

const CODE = `
  import { conv2d, openDevice } from 'spinegrad';
  const device = await openDevice('cpu');
  const y = conv2d(device.full([1, 32, 8, 8], 1), device.full([32, 32, 3, 3], 1));
  const { sharedObjects } = process.report.getReport();
  console.log(JSON.stringify({ value: (await y.data())[0], sharedObjects }));
`;

describe.skipIf(process.env.SPINEGRAD_TEST_FULL === undefined)('the prebuilt package', () => {
  const folder = mkdtempSync(join(tmpdir(), 'spinegrad-package-'));
  const installed = join(folder, 'user', 'node_modules', 'spinegrad');
  const shipped = join(installed, 'prebuilds', `${process.platform}-${process.arch}`);

  beforeAll(() => {
    const source = join(folder, 'source');
    const left = ['.git', 'build', 'node_modules', 'prebuilds', 'runs'].map((name) => join(root, name));
    cpSync(root, source, { recursive: true, filter: (path) => !left.includes(path) });
    symlinkSync(join(root, 'node_modules'), join(source, 'node_modules'));
    const options = { cwd: source, stdio: 'pipe' } as const;
    execFileSync('npm', ['run', 'prebuilds'], options);
    execFileSync('npm', ['pack', '--ignore-scripts', '--pack-destination', folder], options);
    mkdirSync(installed, { recursive: true });
    const [tarball] = readdirSync(folder).filter((name) => name.endsWith('.tgz'));
    execFileSync('tar', ['xzf', join(folder, tarball!), '--strip-components=1', '-C', installed]);
    for (const name of readdirSync(join(root, 'node_modules'))) {
      symlinkSync(join(root, 'node_modules', name), join(installed, '..', name));
    }
  }, 600_000);
  afterAll(() => rmSync(folder, { recursive: true }));

  it('computes, and loads its own libraries', () => {
    const output = execFileSync(process.execPath, ['--input-type=module', '--eval', CODE], {
      cwd: join(folder, 'user'),
      encoding: 'utf8',
    });
    const { value, sharedObjects } = JSON.parse(output) as { value: number; sharedObjects: string[] };
    expect(value).toBe(32 * 9);
    const names = ['spinegrad.node', 'libdnnl.so.2', 'libgomp.so.1', 'libOpenCL.so.1'];
    expect(sharedObjects.filter((path) => names.some((name) => path.includes(name))).sort()).toEqual(
      names.map((name) => join(shipped, name)).sort(),
    );
    expect(sharedObjects.filter((path) => /cuda|cublas|cudnn|nvrtc/.test(path))).toEqual([]);
  });

  it.each(['spinegrad.node', 'libdnnl.so.2', 'libgomp.so.1', 'libOpenCL.so.1'])(
    '%s asks for no glibc newer than 2.34',
    (name) => {
      const versions = execFileSync('readelf', ['--version-info', '--wide', join(shipped, name)], {
        encoding: 'utf8',
      });
      const minors = [...versions.matchAll(/GLIBC_2\.(\d+)/g)].map((match) => Number(match[1]));
      expect(Math.max(0, ...minors)).toBeLessThanOrEqual(OLDEST_GLIBC);
    },
  );
});
