/**
 * `npm run bench:kernels`: times each operation of the engine, forward and backward, at the shapes of ResNet-18.
 * Compares with the roofline and, if available, with PyTorch. Method: docs/kernels.md.
 */
import { Command, InvalidArgumentError } from 'commander';
import type { Device } from '#spinegrad/engine/device.js';
import { type DeviceKind, openDevice } from '#spinegrad/engine/openDevice.js';
import { oneOf } from '../lib/options.js';
import { saveResults } from '../lib/results.js';
import { runBench } from '../lib/run.js';
import { formatNumber } from '../lib/table.js';
import { OPERATIONS } from './cases.js';
import { type Effort, ONCE, QUICK, Stopwatch, THOROUGH } from './measure.js';
import { Peer } from './peer.js';
import { REAL, type Scale, SMALL } from './resnet18.js';
import { peaksOf } from './roofline.js';
import { roofline, timeCalls } from './run.js';
import { headingOf, lineOf, type Row, stepTotals } from './table.js';

interface Options {
  device: DeviceKind;
  threads?: number;
  op: string[];
  batch: number;
  quick?: true;
  dry?: true;
  roofline?: true;
  python: string;
  peer: boolean;
  save?: true;
}

const parseCount = (text: string): number => {
  if (!/^[1-9]\d{0,5}$/.test(text)) throw new InvalidArgumentError('expected a whole number above 0.');
  return Number(text);
};

const command = new Command('bench:kernels')
  .description('time each operation on the device, at the shapes of ResNet-18')
  .option('--device <device>', 'auto, cpu, cuda or cuda:N', 'auto')
  .option('--threads <n>', 'threads of the CPU device', parseCount)
  .option('--op <name>', 'an operation; may be repeated (default: all)', oneOf(Object.keys(OPERATIONS)), [])
  .option('--batch <n>', 'images per batch', parseCount, REAL.batch)
  .option('--quick', 'fewer repeats')
  .option('--dry', 'run each call once with small shapes, without measuring')
  .option('--roofline', 'print the computed roofline of an A100 and an H100 (docs/kernels.md) and exit')
  .option('--python <path>', 'a Python with torch', 'python3')
  .option('--no-peer', 'do not measure PyTorch')
  .option('--save', 'write bench/results/<date>-kernels-<device>.json');

async function main(options: Options): Promise<void> {
  const names = options.op.length ? options.op : Object.keys(OPERATIONS);
  if (options.roofline) {
    using device = await openDevice('cpu');
    console.log(roofline(device, names));
    return;
  }
  using device = await openDevice(options.device, options.threads ? { threads: options.threads } : {});
  console.log(`${device.name}: ${device.description}`);
  if (options.dry || device.description.includes('simulator')) await dryRun(device, names);
  else await measure(device, names, options);
}

/** Prints no times, because they could be mistaken for a measurement. */
async function dryRun(device: Device, names: readonly string[]): Promise<void> {
  console.log('DRY RUN, NO MEASUREMENT: small shapes, each call once.\n');
  using stopwatch = new Stopwatch(device, ONCE);
  for await (const { call, label } of timeCalls(stopwatch, SMALL, names))
    console.log(`ran ${call}, ${label}`);
}

async function measure(device: Device, names: readonly string[], options: Options): Promise<void> {
  const effort: Effort = options.quick ? QUICK : THOROUGH;
  const scale: Scale = { ...REAL, batch: options.batch };
  const gemmOverride = process.env.SPINEGRAD_CUDA_GEMM;
  if (gemmOverride) console.log(`SPINEGRAD_CUDA_GEMM=${gemmOverride}`);
  const peaks = await peaksOf(device);
  console.log(
    `peak: ${formatNumber(peaks.bandwidth / 1e9)} GB/s, ${formatNumber(peaks.flops / 1e9)} GFLOP/s (${peaks.source})`,
  );
  using peer = options.peer ? await Peer.start(options.python, device, effort) : undefined;
  if (peer) console.log(`PyTorch: ${peer.description}`);
  console.log(`\n${headingOf()}`);
  using stopwatch = new Stopwatch(device, effort);
  const rows: Row[] = [];
  for await (const row of timeCalls(stopwatch, scale, names, peer)) {
    rows.push(row);
    console.log(lineOf(row, peaks));
  }
  if (!options.op.length) {
    console.log(
      `\nSum of the calls in a training step of ResNet-18 at batch ${scale.batch}:\n${stepTotals(rows).join('\n')}`,
    );
  }
  if (options.save) save({ device, gemmOverride, scale, effort, peaks, peer: peer?.description, rows });
}

function save({
  device,
  ...measurement
}: { device: Device; rows: readonly Row[] } & Record<string, unknown>): void {
  const { name, description, properties } = device;
  const results = { runs: [{ device: { name, description, properties }, ...measurement }] };
  console.log(`\nwritten: ${saveResults('bench/results', results, `kernels-${name}`)}`);
}

await runBench(() => main(command.parse().opts<Options>()));
