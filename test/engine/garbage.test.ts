import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { run } from './child.js';

const full = Boolean(process.env.SPINEGRAD_TEST_FULL);

it('no argument of any operation crashes the process or gives an error without a code', async () => {
  const folder = await mkdtemp(path.join(tmpdir(), 'spinegrad-'));
  const journal = path.join(folder, 'call');
  const program = fileURLToPath(new URL('garbage.js', import.meta.url));
  const { status, signal, output } = await run([program, '1', full ? '20000' : '1500', journal]);
  const last = await readFile(journal, 'utf8').catch(() => 'none');
  await rm(folder, { recursive: true });
  expect({ status, signal }, `${output}\nthe last call: ${last}`).toEqual({ status: 0, signal: null });
  const { results, refused } = JSON.parse(output);
  expect(results).toBeGreaterThan(500);
  expect(refused).toBeGreaterThan(200);
}, 300_000);
