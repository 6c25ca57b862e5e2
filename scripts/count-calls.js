/**
 * Counts what a training step requests of the CUDA driver, without a GPU: ResNet-18 of width 64, 64 views of 96x96, on the
 * null driver (simulator/null), which computes nothing. Also counts full collections (mark-compacts) of the garbage collector.
 *
 *     npm run count:calls              the table of docs/performance.md
 *     npm run count:calls -- --json    the table, every count of a step, and the launches by kernel
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { constants, PerformanceObserver } from 'node:perf_hooks';
import { setImmediate } from 'node:timers/promises';
import { openDevice, RandomStream, resnet18 } from '#spinegrad/index.js';
import { Grader, ProjectionHead } from '#spinegrad/spine.js';
import { SPINAL_CANAL_STENOSIS } from '#spinegrad/tasks/rsna.js';
import { ARMS } from '#spinegrad/training/arms.js';
import { resolveConfig } from '#spinegrad/training/config.js';
import { finetuning } from '#spinegrad/training/finetune.js';
import { pretraining } from '#spinegrad/training/pretrain.js';
import { RoiDataset } from '#spinegrad/training/roiDataset.js';
import { Steps } from '#spinegrad/training/steps.js';

const SIZE = 96;
const ROWS = 512;
const VIEWS = 64;
const WARM_UP = 5;
const STEPS = 30;

const folder = mkdtempSync(join(tmpdir(), 'spinegrad-calls-'));
const file = join(folder, 'calls');
process.env.SPINEGRAD_CUDA_LIBRARY = join(import.meta.dirname, '../build/Release/libcuda-null.so');
process.env.SPINEGRAD_NULL_CALLS = file;
const readCalls = () => readFileSync(file, 'utf8');

let collections = 0;
const observer = new PerformanceObserver((list) => {
  for (const { detail } of list.getEntries()) {
    if (detail.kind === constants.NODE_PERFORMANCE_GC_MAJOR) collections++;
  }
});

const config = resolveConfig('paper', { pretraining: { discs: VIEWS / 2 }, finetuning: { batch: VIEWS } });

/** A bank of black crops. */
const datasetOn = (device) => {
  const disc = { seriesId: '1', series: 'T2', level: 'L4/L5', side: null, sliceOffset: 0, split: 'train' };
  const rois = Array.from({ length: ROWS }, (_, row) => {
    return { ...disc, disc: row, row, studyId: `${row}`, grades: [row % 3] };
  });
  const manifest = {
    roi: { size: SIZE, neighbours: 0 },
    tasks: [SPINAL_CANAL_STENOSIS],
    series: ['T2'],
    rois,
  };
  return new RoiDataset(device, { manifest, rois: new Uint16Array(ROWS * SIZE * SIZE) }, config.augmentation);
};

const stages = {
  pretraining(run, discs, build, encoder) {
    return pretraining(run, discs, {
      encoder,
      projection: new ProjectionHead(build, encoder.features, config.pretraining.projection),
    });
  },
  'fine-tuning'(run, discs, build, encoder) {
    const heads = [{ task: SPINAL_CANAL_STENOSIS.id, head: 'softmax', grades: 3 }];
    const arm = ARMS.find(({ rates, encoder: source }) => rates && source === 'pretrained');
    return finetuning(run, discs, arm, new Grader(build, encoder, { heads }));
  },
};

/** Calls of a step, each a line of the log, and milliseconds of JavaScript to enqueue it. */
async function record(stage) {
  const device = await openDevice('cuda');
  const build = { device, random: new RandomStream(1) };
  const run = { config, device };
  const steps = new Steps(stage(run, datasetOn(device), build, resnet18(build)), config.seed);
  const perEpoch = steps.count(1);
  const milliseconds = [];
  let before = 0;
  const step = async (number) => {
    before = readCalls().length;
    const start = performance.now();
    const loss = steps.run(1 + Math.floor(number / perEpoch), number % perEpoch);
    milliseconds.push(performance.now() - start);
    await loss.item();
    loss.dispose();
    await setImmediate(); // collections are reported here
  };
  for (let number = 0; number < WARM_UP; number++) await step(number);
  observer.observe({ entryTypes: ['gc'] });
  collections = 0;
  for (let number = WARM_UP; number < WARM_UP + STEPS; number++) await step(number);
  observer.disconnect();
  const calls = readCalls().slice(before).trimEnd().split('\n');
  device.close();
  return { ...countOf(calls), collections, milliseconds: median(milliseconds.slice(WARM_UP)) };
}

const median = (values) => values.toSorted((a, b) => a - b)[values.length >> 1];

function countOf(lines) {
  const calls = lines.map((line) => line.split(' '));
  const named = (...names) => calls.filter(([call]) => names.includes(call));
  const bytes = (selected) => selected.reduce((sum, [, size]) => sum + Number(size), 0);
  const uploads = named('cuMemcpyHtoDAsync');
  const downloads = named('cuMemcpyDtoHAsync');
  const kernels = {};
  for (const [, kernel] of named('cuLaunchKernel')) kernels[kernel] = (kernels[kernel] ?? 0) + 1;
  return {
    launches: named('cuLaunchKernel').length,
    uploads: uploads.length,
    uploadedBytes: bytes(uploads),
    downloads: downloads.length,
    downloadedBytes: bytes(downloads),
    memsets: named('cuMemsetD8Async', 'cuMemsetD32Async').length,
    streamWaits: named('cuStreamSynchronize', 'cuCtxSynchronize').length,
    attributeQueries: named('cuDeviceGetAttribute', 'cuFuncGetAttribute').length,
    allocations: named('cuMemAlloc', 'cuMemHostAlloc').length,
    kernels: Object.fromEntries(Object.entries(kernels).sort(([a], [b]) => a.localeCompare(b))),
  };
}

/** Rows of the table in docs/performance.md. */
const ROWS_OF_TABLE = [
  ['kernel launches', ({ launches }) => launches],
  ['uploads', ({ uploads, uploadedBytes }) => `${uploads} (${uploadedBytes} bytes)`],
  ['downloads', ({ downloads, downloadedBytes }) => `${downloads} (${downloadedBytes} bytes)`],
  ['memsets', ({ memsets }) => memsets],
  ['waits for the whole stream', ({ streamWaits }) => streamWaits],
  ['attribute queries', ({ attributeQueries }) => attributeQueries],
  ['allocations by the driver', ({ allocations }) => allocations],
];

const results = {};
try {
  for (const [name, stage] of Object.entries(stages)) results[name] = await record(stage);
} finally {
  rmSync(folder, { recursive: true });
}

const names = Object.keys(results);
const table = [
  `| per step | ${names.join(' | ')} |`,
  `| --- |${' ---: |'.repeat(names.length)}`,
  ...ROWS_OF_TABLE.map(
    ([row, value]) => `| ${row} | ${names.map((name) => value(results[name])).join(' | ')} |`,
  ),
].join('\n');

if (process.argv.includes('--json')) {
  console.log(JSON.stringify({ table, results }, null, 2));
} else {
  console.log(table);
  const counts = names.map((name) => `${results[name].collections} (${name})`);
  console.log(`\nMark-compacts in ${STEPS} steps: ${counts.join(', ')}.`);
  const times = names.map((name) => `${results[name].milliseconds.toFixed(2)} ms (${name})`);
  console.log(`JavaScript needs ${times.join(', ')} to enqueue a step here.`);
}
