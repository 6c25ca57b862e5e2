/**
 * `npm run bench:localizer -- --run runs/spider-*`: trains the localizers of finished runs again, with spinegrad and with
 * PyTorch (localizer.py): the same network, slices, split, epochs and decoder. Prints the seconds of an epoch and the
 * errors on the test slices of both, per run and over all runs. Both keep the last epoch and use one view per slice.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { createInterface } from 'node:readline';
import { Command } from 'commander';
import { type Bank, readBank } from '#spinegrad/data/bank.js';
import { noGrad } from '#spinegrad/engine/autograd.js';
import type { Device } from '#spinegrad/engine/device.js';
import { openDevice } from '#spinegrad/engine/openDevice.js';
import { tidy } from '#spinegrad/engine/tidy.js';
import { SpinegradError } from '#spinegrad/error.js';
import { readSafetensors, writeSafetensors } from '#spinegrad/io/safetensors.js';
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
import { SCORE_HEAD, type ScoredSlice, scoreLines, scoreMaps } from './localizerScore.js';

interface Options {
  run: string[];
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
  .requiredOption('--run <folders...>', 'runs whose banks are used, with their settings')
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

/** The slices of a run, trained with one of the two programs. */
interface Result {
  run: string;
  name: string;
  slices: ScoredSlice[];
  seconds: number[];
}

/** Trains the localizer of one run with spinegrad and, with `python`, with PyTorch. */
async function compare(run: string, { threads, set }: Options, python: string | null): Promise<Result[]> {
  const identity = readIdentity(run);
  if (!identity)
    throw new SpinegradError(
      'ERR_RUN_MISSING',
      `${run}: found no run; expected a folder of \`node train.js\``,
    );
  const config = changeConfig(identity.config, ...set.map(parseSetting), {
    localization: { network: 'unet' },
  });
  const bank = await readBank(join(run, 'bank'));
  using device = await openDevice('cpu', { threads });
  using slices = new SliceDataset(device, bank);
  const records = slices.annotated('test');
  const result = (name: string, { maps, seconds }: Trained): Result => {
    return { run: basename(run), name, slices: scoreMaps(records, maps, slices.size), seconds };
  };
  const { outputStride } = config.localization.unet;
  const results = [result('spinegrad', await trainSpinegrad(device, config, slices, outputStride))];
  if (python) {
    const trained = await trainPeer(python, bank, config, slices, threads);
    results.push(result(trained.versions, trained));
  }
  console.error(`${run}: ${config.localization.epochs} epochs, ${slices.annotated('train').length} slices`);
  return results;
}

function findPython(given: string | undefined): string {
  const found = given
    ? { python: given }
    : createEnvironment('build/venv-peers', ['torch==2.13.0', 'numpy'], []);
  if ('missing' in found) throw new SpinegradError('ERR_PEER', found.missing);
  return found.python;
}

async function main(options: Options): Promise<void> {
  const python = options.peer ? findPython(options.python) : null;
  const results: Result[] = [];
  for (const run of options.run) results.push(...(await compare(run, options, python)));
  if (options.run.length > 1) {
    for (const name of new Set(results.map((result) => result.name))) {
      const own = results.filter((result) => result.name === name);
      const [slices, seconds] = [own.flatMap((each) => each.slices), own.flatMap((each) => each.seconds)];
      results.push({ run: 'all', name, slices, seconds });
    }
  }
  for (const line of SCORE_HEAD) console.log(line);
  for (const { run, name, slices, seconds } of results) {
    for (const line of scoreLines(run, name, slices, seconds)) console.log(line);
  }
  console.log(`\n${processor()}, ${options.threads} threads`);
}

await runBench(() => main(command.parse().opts<Options>()));
