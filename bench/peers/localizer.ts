/**
 * `npm run bench:localizer -- --run runs/spider-0`: trains the localizer of a finished run again, with spinegrad and with
 * PyTorch (localizer.py): the same network, slices, split, epochs and decoder. Prints the seconds of an epoch and the
 * errors on the test slices of both. Both keep the last epoch.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Command } from 'commander';
import type { Level } from '#spinegrad/anatomy.js';
import { type Bank, readBank } from '#spinegrad/data/bank.js';
import type { SliceRecord } from '#spinegrad/data/types.js';
import { noGrad } from '#spinegrad/engine/autograd.js';
import type { Device } from '#spinegrad/engine/device.js';
import { openDevice } from '#spinegrad/engine/openDevice.js';
import { tidy } from '#spinegrad/engine/tidy.js';
import { SpinegradError } from '#spinegrad/error.js';
import { readSafetensors, writeSafetensors } from '#spinegrad/io/safetensors.js';
import { decode } from '#spinegrad/model/decode.js';
import { MAPS } from '#spinegrad/model/localizer.js';
import { type Config, changeConfig, parseSetting } from '#spinegrad/training/config.js';
import { DEVIATIONS, landmarksOf, pointsOf } from '#spinegrad/training/discTargets.js';
import { localization, MAP_PRIOR, newLocalizer } from '#spinegrad/training/localize.js';
import { readIdentity } from '#spinegrad/training/runFolder.js';
import { SliceDataset } from '#spinegrad/training/sliceDataset.js';
import { Steps } from '#spinegrad/training/steps.js';
import { processor } from '../lib/results.js';
import { runBench } from '../lib/run.js';
import { createEnvironment } from '../lib/venv.js';

interface Options {
  run: string;
  threads: number;
  python?: string;
  peer: boolean;
  set: string[];
}

/** Maps of the test slices, and the seconds of each epoch. */
interface Trained {
  maps: Float32Array;
  seconds: number[];
}

const command = new Command('bench:localizer')
  .description("train a run's localizer with spinegrad and with PyTorch, and compare accuracy and time")
  .requiredOption('--run <folder>', 'a run whose bank is used, with its settings')
  .option('--threads <n>', 'threads of each side', Number, 2)
  .option('--python <path>', 'a Python with torch and numpy (default: an environment in build/)')
  .option('--no-peer', 'do not train with PyTorch')
  .option(
    '--set <key=value>',
    'change a setting of the run; may be repeated',
    (value, all: string[]) => [...all, value],
    [] as string[],
  );

async function trainSpinegrad(
  device: Device,
  config: Config,
  slices: SliceDataset,
  stride: number,
): Promise<Trained> {
  const localizer = newLocalizer({ config, device });
  using steps = new Steps(localization({ config, device }, slices, localizer), config.seed);
  const seconds: number[] = [];
  for (let epoch = 1; epoch <= config.localization.epochs; epoch++) {
    const start = performance.now();
    for (let step = 0; step < steps.count(epoch); step++) {
      using loss = steps.run(epoch, step);
      await loss.item();
    }
    seconds.push((performance.now() - start) / 1000);
    console.error(`spinegrad, epoch ${epoch}: ${seconds.at(-1)!.toFixed(2)} s`);
  }
  localizer.eval();
  const tested = slices.annotated('test');
  const length = MAPS.length * (slices.size / stride) ** 2;
  const maps = new Float32Array(tested.length * length);
  for (const [index, record] of tested.entries()) {
    using logits = noGrad(() => tidy(() => localizer.forward(slices.views([record], { seed: 0, step: 0 }))));
    maps.set(
      (await logits.data()).map((z) => 1 / (1 + Math.exp(-z))),
      index * length,
    );
  }
  localizer.dispose();
  return { maps, seconds };
}

async function trainPeer(python: string, bank: Bank, config: Config, slices: SliceDataset, threads: number) {
  const folder = mkdtempSync(join(tmpdir(), 'spinegrad-localizer-'));
  try {
    const { sliceSize, slices: records } = bank.manifest;
    const rows = (split: 'train' | 'test') => slices.annotated(split).map(({ row }) => row);
    const landmarks = records.map((record) => {
      const points = record.discs.length > 0 ? pointsOf(landmarksOf(record, slices.pitchMm)) : undefined;
      return MAPS.map((map) => points?.[map] ?? []);
    });
    const job = {
      settings: config.localization,
      size: sliceSize,
      seed: config.seed,
      prior: MAP_PRIOR,
      deviations: MAPS.map((map) => DEVIATIONS[map]),
      ...slices.normalisation,
      train: rows('train'),
      test: rows('test'),
      landmarks,
    };
    writeFileSync(join(folder, 'job.json'), JSON.stringify(job));
    const shape = [records.length, sliceSize, sliceSize];
    await writeSafetensors(
      join(folder, 'slices.safetensors'),
      new Map([['slices', { shape, data: bank.slices }]]),
    );
    const child = spawn(python, ['bench/peers/localizer.py', folder, String(threads)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const ended = new Promise<number | null>((resolve) => child.on('close', resolve));
    const seconds: number[] = [];
    let versions = '';
    for await (const line of createInterface(child.stdout)) {
      const message = JSON.parse(line);
      if (message.versions) versions = message.versions;
      else seconds.push(message.seconds);
      if (message.epoch) console.error(`PyTorch, epoch ${message.epoch}: ${message.seconds.toFixed(2)} s`);
    }
    const status = await ended;
    if (status !== 0) throw new SpinegradError('ERR_PEER', `bench/peers/localizer.py ended with ${status}`);
    const tensors = await readSafetensors(join(folder, 'maps.safetensors'));
    return { maps: tensors.get('maps')!.data as Float32Array, seconds, versions };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Distances in mm of the annotated discs of a slice from the decoded disc of their level; infinite without one. */
function distances(record: SliceRecord, maps: Float32Array, size: number, stride: number): number[] {
  const side = size / stride;
  const map = (name: (typeof MAPS)[number]) => {
    const first = MAPS.indexOf(name) * side * side;
    return maps.slice(first, first + side * side);
  };
  const [a, , , d] = record.toImage;
  const mm = Math.hypot(a * record.pixelSpacing[1], d * record.pixelSpacing[0]);
  const { discs } = decode(
    { width: side, height: side, disc: map('disc'), levels: [map('sacral')] },
    mm * stride,
  );
  const found = new Map(discs.map(({ level, point }) => [level as Level, point]));
  return record.discs.map(({ level, centre }) => {
    const point = found.get(level);
    if (!point) return Number.POSITIVE_INFINITY;
    const [x, y] = point.map((value) => stride * value + (stride - 1) / 2) as [number, number];
    return mm * Math.hypot(x - centre[0], y - centre[1]);
  });
}

const median = (values: readonly number[]): number => [...values].sort((p, q) => p - q)[values.length >> 1]!;

/** One line per series: discs, median error, fraction within 5 mm, slices whose levels are right. */
function report(
  name: string,
  records: readonly SliceRecord[],
  { maps, seconds }: Trained,
  config: Config,
): string[] {
  const { sliceSize } = config.data;
  const { outputStride } = config.localization.unet;
  const length = maps.length / records.length;
  const errors = records.map((record, index) => ({
    series: record.series,
    distances: distances(
      record,
      maps.subarray(index * length, (index + 1) * length),
      sliceSize,
      outputStride,
    ),
  }));
  const epoch = `${median(seconds).toFixed(2)} s`;
  return [...new Set(records.map(({ series }) => series)), 'all'].map((series) => {
    const chosen = errors.filter((slice) => series === 'all' || slice.series === series);
    const all = chosen.flatMap((slice) => slice.distances);
    const within = all.filter((distance) => distance <= 5).length / all.length;
    // A shifted level displaces every disc by about 36 mm.
    const right = chosen.filter((slice) => median(slice.distances) < 12).length;
    return `| ${name} | ${series} | ${all.length} | ${median(all).toFixed(2)} mm | ${(100 * within).toFixed(1)} % | ${right} of ${chosen.length} | ${epoch} |`;
  });
}

async function main(options: Options): Promise<void> {
  const { run, threads, peer } = options;
  const identity = readIdentity(run);
  if (!identity)
    throw new SpinegradError(
      'ERR_RUN_MISSING',
      `${run}: found no run; expected a folder of \`node train.js\``,
    );
  const config = changeConfig(identity.config, ...options.set.map(parseSetting), {
    localization: { network: 'unet' },
  });
  const bank = await readBank(join(run, 'bank'));
  using device = await openDevice('cpu', { threads });
  using slices = new SliceDataset(device, bank);
  const records = slices.annotated('test');
  const { outputStride } = config.localization.unet;
  const lines = report(
    'spinegrad',
    records,
    await trainSpinegrad(device, config, slices, outputStride),
    config,
  );
  if (peer) {
    const found = options.python
      ? { python: options.python }
      : createEnvironment('build/venv-peers', ['torch==2.13.0', 'numpy'], []);
    if ('missing' in found) throw new SpinegradError('ERR_PEER', found.missing);
    const trained = await trainPeer(found.python, bank, config, slices, threads);
    lines.push(...report(trained.versions, records, trained, config));
  }
  console.log('| trained with | series | discs | median error | within 5 mm | level right | epoch |');
  console.log('|---|---|---:|---:|---:|---:|---:|');
  for (const line of lines) console.log(line);
  console.log(
    `\n${processor()}, ${threads} threads, ${config.localization.epochs} epochs, ${slices.annotated('train').length} slices`,
  );
}

await runBench(() => main(command.parse().opts<Options>()));
