import { defineConfig } from 'vitest/config';

/** Operations whose layout follows the processor: channel blocks of 16 on AVX-512, of 8 on AVX2. */
const full = process.env.SPINEGRAD_TEST_FULL !== undefined;
const blocked = full ? '*' : '{conv2d,batchNorm2d,maxPool2d,globalAvgPool2d}';

export default defineConfig({
  test: {
    testTimeout: 60_000,
    hookTimeout: 120_000,
    pool: 'forks',
    maxWorkers: 2,
    projects: [
      { extends: true, test: { name: 'spinegrad', include: ['test/**/*.test.ts'] } },
      {
        extends: true,
        test: { name: 'avx2', include: [`test/ops/${blocked}.test.ts`], env: { ONEDNN_MAX_CPU_ISA: 'AVX2' } },
      },
      {
        extends: true,
        test: {
          name: 'cuda',
          include: [
            'test/{ops,optim}/*.test.ts',
            'test/bench/kernels.test.ts',
            'test/engine/profile.test.ts',
          ],
          env: {
            SPINEGRAD_TEST_DEVICE: 'cuda',
            SPINEGRAD_CUDA_LIBRARY:
              process.env.SPINEGRAD_CUDA_LIBRARY ?? 'build/Release/libcuda-simulator.so',
          },
        },
      },
    ],
  },
});
