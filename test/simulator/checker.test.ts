/** The checker finds each kind of error, and none in valid kernels. `npm run check:kernels` builds it. */
import { existsSync, mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { BUILD, inOrder, ORDERS, run } from './run.js';

const LIBRARY = join(BUILD, 'libcuda-simulator-test-checked.so');

const global = (what: string) => `${what} (0 bytes after the end of an allocation of 256 bytes), at LINE`;
const shared = (what: string, object: string) => `${what} (0 bytes after the end of \`${object}\`), at LINE`;
const race = (memory: string, what: string) => [
  `race in ${memory} memory: ${what}, at LINE`,
  'the other access, at LINE',
];

/** The report of each faulty kernel, as parts in order. */
const REPORTS: Record<string, string[]> = {
  no_barrier_before_read: race('shared', 'read after write'),
  no_barrier_before_write: race('shared', 'write after read'),
  no_syncwarp: race('shared', 'read after write'),
  partial_syncwarp: race('shared', 'read after write'),
  ldmatrix_no_syncwarp: race('shared', 'read after write'),
  no_wait: ['read of shared memory before a cp.async to it has completed, at LINE'],
  wait_too_early: ['read of shared memory before a cp.async to it has completed, at LINE'],
  wait_without_barrier: race('shared', 'read after write'),
  copy_over_read: race('shared', 'write after read'),
  race_between_blocks: race('global', 'write after write'),
  read_between_blocks: race('global', 'read after write'),
  atomic_and_plain: race('global', 'atomic after write'),
  shared_write: [shared('out of bounds in shared memory: write of 4 bytes', 'tile')],
  shared_read_beyond: [shared('out of bounds in shared memory: read of 4 bytes', 'tile')],
  dynamic_read_beyond: [shared('out of bounds in shared memory: read of 4 bytes', 'dynamic shared memory')],
  shared_uninitialized: [
    'uninitialized: read of shared memory that was never written (byte 20 of `tile`), at LINE',
  ],
  global_write: [global('out of bounds in global memory: write of 4 bytes')],
  global_read_beyond: [global('out of bounds in global memory: read of 4 bytes')],
  global_read_before: ['read of 4 bytes (4 bytes before an allocation of 256 bytes), at LINE'],
  copy_beyond: [global('out of bounds in global memory: read of 4 bytes')],
  vector_beyond: [global('out of bounds in global memory: read of 16 bytes')],
  global_uninitialized: [
    'uninitialized: read of global memory that was never written (byte 252 of',
    ', at LINE',
  ],
};

describe.skipIf(!existsSync(LIBRARY))('the checker (npm run check:kernels)', () => {
  it.each(Object.entries(REPORTS))('finds %s', (name, parts) => {
    const { output, status } = run('simulator-faulty', [LIBRARY, `faulty_${name}`]);
    expect(output).toMatch(inOrder(parts));
    expect(output).toMatch(
      new RegExp(`kernel \`faulty_${name}\`, block \\(\\d, 0, 0\\), thread \\(\\d+, 0, 0\\)`),
    );
    expect(status).toBe(3);
  });

  it.each(ORDERS)('finds no error in valid kernels, in %s order', (order) => {
    const result = run('simulator-valid', [LIBRARY], { SPINEGRAD_SIMULATOR_ORDER: order });
    expect(result).toEqual({ output: 'passed\n', status: 0 });
  });

  it('counts requests, sectors and passes', () => {
    const file = join(mkdtempSync(join(tmpdir(), 'spinegrad-')), 'trace');
    run('simulator-valid', [LIBRARY], { SPINEGRAD_SIMULATOR_TRACE: file });
    const grids = readFileSync(file, 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    const counts = (kernel: string) => {
      const { requests, units, minimum } = grids.find((grid) => grid.kernel === kernel);
      const kinds = [
        'load',
        'store',
        'atomic',
        'copy',
        'sharedLoad',
        'sharedStore',
        'sharedAtomic',
        'sharedCopy',
        'ldmatrix',
      ];
      const used = kinds.map((kind, i) => [kind, [requests[i], units[i], minimum[i]]] as const);
      return Object.fromEntries(used.filter(([, [count]]) => count > 0));
    };
    // One warp: 32 sectors instead of 4, then 32 passes instead of 1.
    expect(counts('valid_wasteful')).toEqual({
      load: [1, 32, 4],
      store: [1, 4, 4],
      sharedStore: [1, 32, 1],
      sharedLoad: [1, 32, 1],
    });
    // 3 blocks of 3 warps with 16 bytes per lane: 16 sectors and 4 passes per request.
    expect(counts('valid_reverse')).toEqual({
      load: [9, 144, 144],
      store: [9, 144, 144],
      sharedLoad: [9, 36, 36],
      sharedStore: [9, 36, 36],
    });
    // Two steps. Rows of A are 32 bytes apart, so 8 rows use each bank twice.
    expect(counts('valid_mma_tf32')).toMatchObject({
      copy: [4, 48, 48],
      sharedCopy: [4, 12, 12],
      ldmatrix: [4, 24, 12],
    });
  });
});
