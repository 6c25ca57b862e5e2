/**
 * Reads 300 mutations of the files of each reader; 10,000 with SPINEGRAD_TEST_FULL or `npm run test:fuzz`, which prints its
 * seed. SPINEGRAD_FUZZ_SEED repeats one. docs/threat-model.md has the limits.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { run } from '../engine/child.js';
import { writeCorpus } from './corpus.js';

const alone = process.env.SPINEGRAD_FUZZ !== undefined;
const count = alone || process.env.SPINEGRAD_TEST_FULL !== undefined ? 10_000 : 300;
const seed = Number(process.env.SPINEGRAD_FUZZ_SEED ?? (alone ? Date.now() : 1));
const program = fileURLToPath(new URL('fuzz.js', import.meta.url));

let corpus: string;
beforeAll(async () => {
  corpus = await mkdtemp(join(tmpdir(), 'spinegrad-fuzz-'));
  await writeCorpus(corpus);
  if (alone) console.log(`SPINEGRAD_FUZZ_SEED=${seed}`);
});
afterAll(() => rm(corpus, { recursive: true }));

const source = await readFile(new URL('targets.js', import.meta.url), 'utf8');
const [, table = ''] = /TARGETS = \{\n([\s\S]*?)\n\};/.exec(source)!;
const targets = [...table.matchAll(/^ {2}(\w+): \{/gm)].map(([, name]) => name!);

it('each mutation is read, or refused with a message that names the file', async () => {
  const { status, signal, output } = await run([program, corpus, `${seed}`, `${count}`, targets.join()]);
  if (alone) console.log(output.trim());
  expect({ status, signal }, output).toEqual({ status: 0, signal: null });
  const results = output
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { name: string; read: number; codes: Record<string, number> });
  expect(results.map(({ name }) => name)).toEqual(targets);
  for (const { name, read, codes } of results) {
    expect(read, name).toBeGreaterThan(0);
    expect(Object.keys(codes).length, name).toBeGreaterThan(0);
  }
}, 3_600_000);
