/**
 * Runs the tests of operations on the simulator and prints the memory accesses of each kernel:
 *
 *     npm run trace:kernels [-- test/ops/conv2d.test.ts ...]
 *
 * A request is one instruction of a warp. Global memory serves it in 32-byte sectors and shared memory in passes; the
 * minimum that the bytes need is in brackets. Passes above the minimum are bank conflicts.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const KINDS = ['load', 'store', 'atomic', 'cp.async', 'load', 'store', 'atomic', 'cp.async', 'ldmatrix'];
const GLOBAL_KINDS = 4;

const files = process.argv.slice(2);
const folder = mkdtempSync(join(tmpdir(), 'spinegrad-trace-'));
const file = join(folder, 'grids.jsonl');
const { status } = spawnSync(
  join(import.meta.dirname, 'check-kernels.sh'),
  files.length > 0 ? files : ['test/ops'],
  {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { ...process.env, SPINEGRAD_SIMULATOR_TRACE: file },
  },
);
if (status !== 0) console.error('trace:kernels: some tests failed; run npm run check:kernels to see which');

const kernels = new Map();
for (const line of readFileSync(file, 'utf8').trim().split('\n')) {
  const { kernel, ...counts } = JSON.parse(line);
  const total = kernels.get(kernel) ?? { grids: 0 };
  total.grids += 1;
  for (const [name, value] of Object.entries(counts)) {
    if (Array.isArray(value)) total[name] = value.map((v, i) => v + (total[name]?.[i] ?? 0));
    else total[name] = (total[name] ?? 0) + value;
  }
  kernels.set(kernel, total);
}
rmSync(folder, { recursive: true });

const per = (units, requests) => (units / requests).toFixed(2).replace(/\.?0+$/, '');

for (const [kernel, total] of [...kernels].sort(([a], [b]) => (a < b ? -1 : 1))) {
  console.log(`${kernel}  (${total.grids} grids)`);
  for (const [i, kind] of KINDS.entries()) {
    const requests = total.requests[i];
    if (requests === 0) continue;
    const [memory, unit] = i < GLOBAL_KINDS ? ['global', 'sectors'] : ['shared', 'passes'];
    const units = `${per(total.units[i], requests)} ${unit} each (${per(total.minimum[i], requests)})`;
    console.log(`  ${`${memory} ${kind}`.padEnd(16)} ${String(requests).padStart(10)}   ${units}`);
  }
  const otherCounts = ['mma', 'shuffles', 'votes', 'warpSyncs', 'barriers'].filter((name) => total[name] > 0);
  if (otherCounts.length > 0)
    console.log(`  ${otherCounts.map((name) => `${name} ${total[name]}`).join(', ')}`);
}
