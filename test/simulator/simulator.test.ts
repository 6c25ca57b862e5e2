/** The simulator of CUDA devices runs valid kernels and reports faulty ones. Programs and kernels are in this folder. */
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { BUILD, inOrder, ORDERS, run } from './run.js';

const LIBRARY = join(BUILD, 'libcuda-simulator-test.so');

describe('the simulator', () => {
  it.each(ORDERS)('computes the results of valid kernels in %s order', (order) => {
    const result = run('simulator-valid', [LIBRARY], { SPINEGRAD_SIMULATOR_ORDER: order });
    expect(result).toEqual({ output: 'passed\n', status: 0 });
  });

  it('behaves like the driver API', () => {
    const { output, status } = run('simulator-launches', [LIBRARY]);
    expect(output).toContain('passed');
    expect(status).toBe(0);
  });

  it('rejects an unknown value of a setting', () => {
    const { output, status } = run('simulator-valid', [LIBRARY], { SPINEGRAD_SIMULATOR_ORDER: 'sideways' });
    expect(output).toBe(
      "SPINEGRAD_SIMULATOR_ORDER: found 'sideways', expected forward, reverse or random:SEED\n",
    );
    expect(status).toBe(2);
  });
});

/** The report of each faulty kernel, as parts in order. */
const REPORTS: Record<string, string[]> = {
  barrier_left: [
    'divergent barrier',
    'warp 0: lanes 0-31 at __syncthreads(), LINE',
    'warp 1: lanes 0-31 returned',
  ],
  barrier_divergent: ['divergent barrier', 'warp 0: lanes 0-31 at __syncthreads(), ', 'warp 1: '],
  deadlock: [
    'divergent barrier',
    'lanes 0-2 at __syncwarp() with mask ffffffff, ',
    'lane 3 at __syncthreads(), ',
  ],
  deadlock_mask: ['deadlock', 'warp 0: lanes 0-15 at shuffle with mask ffffffff, LINE; lanes 16-31 returned'],
  collective: ['lanes of a warp call different collectives', 'warp 0:'],
  mask: ['shuffle with mask 0000ffff, which does not include the calling lane, at LINE'],
  endless: ['the kernel runs for more than 0.5 seconds, at LINE', 'CUDA_ERROR_LAUNCH_TIMEOUT'],
  null: ['access to ', ', which is not device memory, at LINE', 'CUDA_ERROR_ILLEGAL_ADDRESS'],
  stack: ['stack overflow', 'at LINE'],
  division: ['division by zero, at LINE'],
  misaligned: ['misaligned: vector load of 16 bytes at ', ', at LINE'],
  shared_large: [
    'too much shared memory: `tile` (LINE) raises the total to 245760 bytes',
    'the limits are 49152',
  ],
  ldmatrix: ['ldmatrix: lane 1 passes ', 'expected a multiple of 16 in shared memory, at LINE'],
  mma: ['deadlock', 'lanes 0-15 at mma with mask ffffffff, LINE'],
  shared_write: ['write outside shared memory: 0 bytes after the end of `tile`'],
};

describe('the simulator reports', () => {
  it.each(Object.entries(REPORTS))('the error in kernel %s', (name, parts) => {
    const { output, status } = run('simulator-faulty', [LIBRARY, `faulty_${name}`], {
      SPINEGRAD_SIMULATOR_SECONDS: '0.5',
    });
    expect(output).toMatch(inOrder(parts));
    expect(output).toContain(`kernel \`faulty_${name}\`, block (0, 0, 0)`);
    expect(status).toBe(3);
  });

  it('a write after the end of an allocation, when it is freed', () => {
    const { output, status } = run('simulator-faulty', [LIBRARY, 'faulty_global_write']);
    expect(output).toContain('write 0 bytes after the end of an allocation of 256 bytes');
    expect(status).toBe(3);
  });
});
