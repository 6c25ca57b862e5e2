/**
 * `npm run bench:kernels`: every operation of the engine, forward and backward, at the shapes of ResNet-18, timed on
 * the device, against the roofline, and beside PyTorch where there is one. docs/kernels.md tells how it is done.
 */
import { Command, InvalidArgumentError } from 'commander';
import { type Device, type DeviceKind, openDevice } from '#spinegrad/engine/device.js';
import { oneOf } from '../lib/options.js';
import { saveResults } from '../lib/results.js';
import { runBench } from '../lib/run.js';
import { digits } from '../lib/table.js';
import { OPERATIONS, REAL, type Scale, SMALL } from './cases.js';
import { type Effort, ONCE, QUICK, Stopwatch, THOROUGH } from './measure.js';
import { Peer } from './peer.js';
import { peaksOf } from './roofline.js';
import { headingOf, lineOf, type Row, stepOf } from './rows.js';
import { roofline, timed } from './run.js';

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

const count = (text: string): number => {
  if (!/^[1-9]\d{0,5}$/.test(text)) throw new InvalidArgumentError('expected a whole number above 0.');
  return Number(text);
};

const command = new Command('bench:kernels')
  .description('time every operation on the device, at the shapes of ResNet-18')
  .option('--device <device>', 'auto, cpu, cuda or cuda:N', 'auto')
  .option('--threads <n>', 'threads of the CPU device', count)
  .option('--op <name>', 'only this operation; may be repeated', oneOf(Object.keys(OPERATIONS)), [])
  .option('--batch <n>', 'images a batch', count, REAL.batch)
  .option('--quick', 'fewer repeats')
  .option('--dry', 'small shapes, each call once: shows that all of it runs, measures nothing')
  .option('--roofline', 'no device: print the table of docs/kernels.md, computed for an A100 and an H100')
  .option('--python <path>', 'a Python with torch, for the times beside', 'python3')
  .option('--no-peer', 'without PyTorch')
  .option('--save', 'write bench/results/<date>-kernels-<device>.json, too');

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

/** Numbers would only be mistaken for a measurement: none are shown. */
async function dryRun(device: Device, names: readonly string[]): Promise<void> {
  console.log('A DRY RUN, NO MEASUREMENT: small shapes, each call once.\n');
  using stopwatch = new Stopwatch(device, ONCE);
  for await (const { call, label } of timed(stopwatch, SMALL, names)) console.log(`ran ${call}, ${label}`);
}

async function measure(device: Device, names: readonly string[], options: Options): Promise<void> {
  const effort: Effort = options.quick ? QUICK : THOROUGH;
  const scale: Scale = { ...REAL, batch: options.batch };
  const products = process.env.SPINEGRAD_CUDA_GEMM;
  if (products) console.log(`SPINEGRAD_CUDA_GEMM=${products}`);
  const peaks = await peaksOf(device);
  console.log(
    `peak: ${digits(peaks.bandwidth / 1e9)} GB/s, ${digits(peaks.flops / 1e9)} GFLOP/s (${peaks.origin})`,
  );
  using peer = options.peer ? await Peer.start(options.python, device, effort) : undefined;
  if (peer) console.log(`PyTorch: ${peer.description}`);
  console.log(`\n${headingOf()}`);
  using stopwatch = new Stopwatch(device, effort);
  const rows: Row[] = [];
  for await (const row of timed(stopwatch, scale, names, peer)) {
    rows.push(row);
    console.log(lineOf(row, peaks));
  }
  if (!options.op.length) {
    console.log(
      `\nA training step of ResNet-18 at batch ${scale.batch} has in it:\n${stepOf(rows).join('\n')}`,
    );
  }
  if (options.save) save({ device, products, scale, effort, peaks, peer: peer?.description, rows });
}

function save({
  device,
  ...results
}: { device: Device; rows: readonly Row[] } & Record<string, unknown>): void {
  const { name, description, properties } = device;
  const kept = { runs: [{ device: { name, description, properties }, ...results }] };
  console.log(`\nwritten: ${saveResults('bench/results', kept, `kernels-${name}`)}`);
}

await runBench(() => main(command.parse().opts<Options>()));
