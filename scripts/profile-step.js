/**
 * Profiles the pretraining step of a run by operation (ResNet-18, 64 views of 96x96), and measures the cost of profiling by
 * alternating steps with and without it. The bank is noise. docs/performance.md shows the output.
 *
 *     node scripts/profile-step.js [device]
 */
import { openDevice, RandomStream, resnet18 } from '#spinegrad/index.js';
import { ProjectionHead } from '#spinegrad/spine.js';
import { SPINAL_CANAL_STENOSIS } from '#spinegrad/tasks/rsna.js';
import { resolveConfig } from '#spinegrad/training/config.js';
import { pretraining } from '#spinegrad/training/pretrain.js';
import { formatProfile } from '#spinegrad/training/profile.js';
import { RoiDataset } from '#spinegrad/training/roiDataset.js';
import { Steps } from '#spinegrad/training/steps.js';

const SIZE = 96;
const ROWS = 512;
const STEPS = 20;
const PAIRS = 50;

const device = await openDevice(process.argv[2] ?? 'cpu');
const config = resolveConfig('paper', { pretraining: { discs: 32 } });
const build = { device, random: new RandomStream(1) };
const encoder = resnet18(build);
const projection = new ProjectionHead(build, encoder.features, config.pretraining.projection);
const disc = {
  ...{ seriesId: '1', series: 'T2', level: 'L4/L5', side: null, grades: [null], sliceOffset: 0 },
  split: 'train',
};
const discs = new RoiDataset(
  device,
  {
    manifest: {
      roi: { size: SIZE, neighbours: 0 },
      tasks: [SPINAL_CANAL_STENOSIS],
      series: ['T2'],
      rois: Array.from({ length: ROWS }, (_, row) => ({ ...disc, disc: row, row, studyId: `${row}` })),
    },
    rois: Uint16Array.from({ length: ROWS * SIZE * SIZE }, () => build.random.uniform(0, 65535)),
  },
  config.augmentation,
);
const steps = new Steps(pretraining({ config, device }, discs, { encoder, projection }), config.seed);
const perEpoch = steps.count(1);

async function step(number) {
  const loss = steps.run(1 + Math.floor(number / perEpoch), number % perEpoch);
  await loss.item();
  loss.dispose();
}

const median = (values) => values.toSorted((a, b) => a - b)[values.length >> 1];

for (let i = 0; i < 5; i++) await step(i);
const plain = [];
const profiled = [];
for (let i = 0; i < PAIRS; i++) {
  // The order alternates, so that neither side always runs on the caches of the other.
  for (const profiling of i % 2 ? [true, false] : [false, true]) {
    if (profiling) device.startProfile();
    const start = performance.now();
    await step(i);
    (profiling ? profiled : plain).push(performance.now() - start);
    if (profiling) await device.stopProfile();
  }
}

device.startProfile();
for (let i = 0; i < STEPS; i++) await step(i);
const profile = await device.stopProfile();
console.log(`${device.description}; ${STEPS} steps of ${profile.operations.length / STEPS} operations`);
console.log(formatProfile(profile));
const [without, withProfile] = [median(plain), median(profiled)];
console.log(
  `a step takes ${without.toFixed(1)} ms, profiled ${withProfile.toFixed(1)} ms: ` +
    `${(100 * (withProfile / without - 1)).toFixed(2)} % more (medians of ${profiled.length})`,
);
