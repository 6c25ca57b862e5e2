/** What every kernel takes on every architecture is what docs/kernels/resources.md says, and none spills. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, it } from 'vitest';

const hasNvcc = spawnSync('nvcc', ['--version']).status === 0;

it.skipIf(!hasNvcc || process.env.SPINEGRAD_TEST_FULL === undefined)(
  'kernels take what the table says, and none spills (needs nvcc)',
  () => {
    const script = join(import.meta.dirname, '..', '..', 'scripts', 'kernel-resources.js');
    const { status, stdout, stderr } = spawnSync(process.execPath, [script], { encoding: 'utf8' });
    expect(status, stdout + stderr).toBe(0);
  },
  1_200_000,
);
