// What a pretraining step of ResNet-18 (64 views of 96x96 from a bank, InfoNCE, AdamW) does, by operation, and what it
// costs to record that: steps with and without a profile in turns. docs/performance.md shows the output of
//   node scripts/profile-step.js [device]
import {
  AdamW,
  augment,
  backward,
  clipGradNorm,
  infoNCE,
  openDevice,
  ProjectionHead,
  RandomStream,
  resnet18,
  tidy,
} from '#spinegrad/index.js';
import { formatProfile } from '#spinegrad/training/profile.js';

const VIEWS = 64;
const STEPS = 20;
const PAIRS = 50;

const device = await openDevice(process.argv[2] ?? 'cpu');
const build = { device, random: new RandomStream(1) };
const encoder = resnet18(build);
const projection = new ProjectionHead(build, encoder.features, 128);
const parameters = new Map([...encoder.parameters(), ...projection.parameters()]);
const optimizer = new AdamW(parameters, { learningRate: 1e-3 });
const noise = Uint16Array.from({ length: 512 * 96 * 96 }, () => build.random.uniform(0, 65535));
const bank = device.tensor(noise, [512, 96, 96]);
const discs = Int32Array.from({ length: VIEWS }, (_, view) => view % (VIEWS / 2));
const strengths = {
  rotation: 10,
  scale: 0.1,
  translation: 5,
  blur: 0.5,
  contrast: 0.2,
  brightness: 0.1,
  noise: 0.02,
};

async function step(number) {
  const loss = tidy(() => {
    const rows = device.tensor(discs);
    const views = augment(bank, rows, { seed: 1, step: number }, strengths);
    const value = infoNCE(projection.forward(encoder.forward(views)), rows, { temperature: 0.1 });
    backward(value);
    clipGradNorm([...parameters.values()], 1).dispose();
    optimizer.step();
    optimizer.zeroGrad();
    return value;
  });
  await loss.item();
  loss.dispose();
}

const median = (values) => values.toSorted((a, b) => a - b)[values.length >> 1];

for (let i = 0; i < 5; i++) await step(i);
const off = [];
const on = [];
for (let i = 0; i < PAIRS; i++) {
  // The side that comes first changes, so that neither has the other's wake.
  for (const profiled of i % 2 ? [true, false] : [false, true]) {
    if (profiled) device.startProfile();
    const start = performance.now();
    await step(i);
    (profiled ? on : off).push(performance.now() - start);
    if (profiled) await device.stopProfile();
  }
}

device.startProfile();
for (let i = 0; i < STEPS; i++) await step(i);
const profile = await device.stopProfile();
console.log(`${device.description}; ${STEPS} steps of ${profile.operations.length / STEPS} operations`);
console.log(formatProfile(profile));
const [without, along] = [median(off), median(on)];
console.log(
  `a step takes ${without.toFixed(1)} ms, profiled ${along.toFixed(1)} ms: ${(100 * (along / without - 1)).toFixed(2)} % more ` +
    `(medians of ${on.length}, in turns)`,
);
