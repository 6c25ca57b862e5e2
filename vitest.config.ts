import { defineConfig } from 'vitest/config';

/** Operations whose memory layout follows the processor: channel blocks of 16 on AVX-512, of 8 on AVX2. */
const full = process.env.SPINEGRAD_TEST_FULL !== undefined;
const blocked = full ? '*' : '{conv2d,batchNorm2d,maxPool2d,globalAvgPool2d,concat,upsample2d}';

/** Left out by `npm run test:fast`: whole runs, command lines, the simulator, the browser, the package. */
const SLOW = [
  'test/bench/*',
  'test/cli/{badInput,commands}.test.ts',
  'test/dicom/robustness.test.ts',
  'test/engine/{cuda,cudaQueue,exit,memory}.test.ts',
  'test/fuzz/*',
  'test/soak/*',
  'test/packaging/*',
  'test/fusion/run.test.ts',
  'test/phantom/{grades,phantom,series}.test.ts',
  'test/readme.test.ts',
  'test/report/browser.test.ts',
  'test/simulator/*',
  'test/study/{browser,study}.test.ts',
  'test/training/{coral,cuda,lock,multitask,notFinite,outputs,profile,resume,rsna,run,spider,tasks}.test.ts',
];
const fast = process.env.SPINEGRAD_TEST_FAST !== undefined;

export default defineConfig({
  test: {
    testTimeout: 60_000,
    hookTimeout: 120_000,
    pool: 'forks',
    maxWorkers: 2,
    globalSetup: 'test/temporary.ts',
    projects: [
      {
        extends: true,
        test: { name: 'spinegrad', include: ['test/**/*.test.ts'], exclude: fast ? SLOW : [] },
      },
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
