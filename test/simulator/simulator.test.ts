/** The simulator of CUDA devices: right kernels compute, wrong ones are reported. Programs and kernels are beside this file. */
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { BUILD, inOrder, ORDERS, run } from './run.js';

const LIBRARY = join(BUILD, 'libcuda-simulator-test.so');

describe('the simulator', () => {
  it.each(ORDERS)('computes what kernels say, in %s order', (order) => {
    const result = run('simulator-right', [LIBRARY], { SPINEGRAD_SIMULATOR_ORDER: order });
    expect(result).toEqual({ output: 'all right\n', status: 0 });
  });

  it('keeps the promises of the driver API', () => {
    const { output, status } = run('simulator-launches', [LIBRARY]);
    expect(output).toContain('all right');
    expect(status).toBe(0);
  });

  it('rejects a setting that it does not know', () => {
    const { output, status } = run('simulator-right', [LIBRARY], { SPINEGRAD_SIMULATOR_ORDER: 'sideways' });
    expect(output).toBe(
      "SPINEGRAD_SIMULATOR_ORDER: found 'sideways', expected forward, reverse or random:SEED\n",
    );
    expect(status).toBe(2);
  });
});

/** What must be said of each wrong kernel, in this order. */
const REPORTS: Record<string, string[]> = {
  barrier_left: [
    'divergent barrier',
    'warp 0: lanes 0-31 at __syncthreads(), LINE',
    'warp 1: lanes 0-31 returned',
  ],
  barrier_divergent: ['divergent barrier', 'warp 0: lanes 0-31 at __syncthreads(), ', 'warp 1: '],
  deadlock: [
    'divergent barrier',
    'lanes 0-2 at __syncwarp() of lanes ffffffff, ',
    'lane 3 at __syncthreads(), ',
  ],
  deadlock_mask: ['deadlock', 'warp 0: lanes 0-15 at shuffle of lanes ffffffff, LINE; lanes 16-31 returned'],
  meeting: ['lanes of a warp meet for different things', 'warp 0:'],
  mask: ['shuffle with lanes 0000ffff, without the lane that calls it, at LINE'],
  endless: ['the kernel runs longer than 0.5 seconds, at LINE', 'CUDA_ERROR_LAUNCH_TIMEOUT'],
  null: ['access to ', ', which is no memory of the device, at LINE', 'CUDA_ERROR_ILLEGAL_ADDRESS'],
  stack: ['stack overflow', 'at LINE'],
  division: ['division by zero, at LINE'],
  misaligned: ['misaligned: vector load of 16 bytes at ', ', at LINE'],
  shared_large: ['too much shared memory: `tile` (LINE) brings it to 245760 bytes', 'allowed are 49152'],
  ldmatrix: ['ldmatrix: lane 1 gives ', 'expected a multiple of 16 in shared memory, at LINE'],
  mma: ['deadlock', 'lanes 0-15 at mma of lanes ffffffff, LINE'],
  shared_write: ['write outside of shared memory: 0 bytes behind the end of `tile`'],
};

describe('a wrong kernel is reported by the simulator', () => {
  it.each(Object.entries(REPORTS))('%s', (name, parts) => {
    const { output, status } = run('simulator-wrong', [LIBRARY, `wrong_${name}`], {
      SPINEGRAD_SIMULATOR_SECONDS: '0.5',
    });
    expect(output).toMatch(inOrder(parts));
    expect(output).toContain(`kernel \`wrong_${name}\`, block (0, 0, 0)`);
    expect(status).toBe(3);
  });

  it('that writes beyond an allocation, when that is freed', () => {
    const { output, status } = run('simulator-wrong', [LIBRARY, 'wrong_global_write']);
    expect(output).toContain('write 0 bytes behind the end of an allocation of 256 bytes');
    expect(status).toBe(3);
  });
});
