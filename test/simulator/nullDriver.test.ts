/**
 * What a training step requests of the CUDA driver, counted on the null driver: ResNet-18 of width 64, 64 views of 96x96. A
 * change of these numbers changes the time of a step on a GPU; write it to docs/performance.md.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import * as command from '../cli/command.js';

interface Counts {
  collections: number;
  kernels: Record<string, number>;
}

it('a training step makes the calls in docs/performance.md and causes no mark-compact', async () => {
  const script = join(command.root, 'scripts', 'count-calls.js');
  const { status, stdout, stderr } = await command.run(process.execPath, [script, '--json']);
  expect(status, stderr).toBe(0);
  const { table, results } = JSON.parse(stdout) as { table: string; results: Record<string, Counts> };
  expect(readFileSync(join(command.root, 'docs', 'performance.md'), 'utf8')).toContain(table);
  expect(Object.keys(results)).toEqual(['pretraining', 'fine-tuning']);
  expect(results).toMatchObject({
    pretraining: { launches: 254, uploads: 3, downloads: 2, attributeQueries: 0, allocations: 0 },
    'fine-tuning': { launches: 248, uploads: 5, downloads: 2, attributeQueries: 0, allocations: 0 },
  });
  for (const { collections, kernels } of Object.values(results)) {
    expect(collections).toBeLessThanOrEqual(1); // in 30 steps
    expect(kernels).toMatchObject({ conv2d_fprop_stem: 1, batchNorm2d_normalize: 20, maxPool2d_backward: 1 });
  }
}, 300_000);
