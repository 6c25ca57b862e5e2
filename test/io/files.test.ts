import { spawnSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const program = fileURLToPath(new URL('pipes.js', import.meta.url));

it('a pipe in place of a CSV or JSON file is refused', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'spinegrad-pipes-'));
  const { stdout } = spawnSync(process.execPath, [program, folder], { timeout: 30_000, encoding: 'utf8' });
  await rm(folder, { recursive: true });
  const lines = stdout.trim().split('\n');
  for (const line of lines) expect(line).toMatch(/ ERR_FILE_READ: FILE: cannot be read: it is a pipe/);
  expect(lines).toHaveLength(16);
}, 60_000);
