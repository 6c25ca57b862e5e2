/**
 * `npm run bench:peers`: compares spinegrad with PyTorch on the same processor, measuring in turns.
 * Method: docs/performance.md.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { SpinegradError } from '#spinegrad/error.js';
import { oneOf } from '../lib/options.js';
import { processor, saveResults } from '../lib/results.js';
import { runBench } from '../lib/run.js';
import { createEnvironment } from '../lib/venv.js';
import { WorkerProcess } from '../lib/workerProcess.js';
import { compare, type Peers, type Result } from './compare.js';
import { dicomFiles } from './files.js';
import { measureMemory, measureQueue, measureStart } from './measures.js';
import { comparisonTable, detailsOf, measureTable } from './table.js';
import { COMPARISONS, type Comparison, DRY_RUN } from './workloads.js';

const MEASURES = ['memory', 'start', 'queue'];
const NAMES = [...Object.keys(COMPARISONS), ...MEASURES];
/** glibc keeps freed pages, which suits a training loop. */
const TUNED_MALLOC = {
  MALLOC_MMAP_MAX_: '0',
  MALLOC_TRIM_THRESHOLD_: '4294967296',
  MALLOC_TOP_PAD_: '67108864',
};
const PACKAGES = ['torch==2.13.0', 'numpy', 'pydicom'];
/** JPEG 2000 decoders; pydicom uses the best that is installed. */
const DECODERS = ['pylibjpeg', 'pylibjpeg-openjpeg', 'pillow'];

interface Options {
  workload: string[];
  threads: number;
  quick?: true;
  dry?: true;
  python?: string;
  peer: boolean;
  save: boolean;
}

const command = new Command('bench:peers')
  .description('compare training and inference with PyTorch on this processor')
  .option('--workload <name>', `one of ${NAMES.join(', ')}; may be repeated (default: all)`, oneOf(NAMES), [])
  .option('--threads <n>', 'threads of each side', Number, 2)
  .option('--quick', 'fewer repeats')
  .option('--dry', 'run one small workload once, without measuring')
  .option('--python <path>', 'a Python with torch, numpy and pydicom (default: an environment in build/)')
  .option('--no-peer', 'do not measure PyTorch')
  .option('--no-save', 'do not write bench/results/<date>-<cpu>.json');

/** The worker processes of a run. Each is started on first use. */
class Workers implements Disposable {
  readonly #started = new Map<string, WorkerProcess>();
  readonly versions = new Set<string>();

  constructor(
    /** Undefined without PyTorch. */
    readonly python: string | undefined,
    private readonly threads: number,
  ) {}

  get spinegrad(): Promise<WorkerProcess> {
    return this.#get('spinegrad', this.startSpinegrad);
  }

  /** PyTorch, and PyTorch with tuned malloc if a target requires it. */
  async peers({ targets }: Comparison): Promise<Peers> {
    if (!this.python) return {};
    const peers: Peers = { default: await this.#get('default', this.startPeer) };
    if (!targets.some(({ peer }) => peer === 'tuned')) return peers;
    return { ...peers, tuned: await this.#get('tuned', () => this.startPeer(TUNED_MALLOC)) };
  }

  readonly startSpinegrad = (): Promise<WorkerProcess> =>
    this.#start([process.execPath, 'build/bench/peers/worker.js', String(this.threads)], {});

  readonly startPeer = (environment: Record<string, string> = {}): Promise<WorkerProcess> =>
    this.#start([this.python!, 'bench/peers/worker.py', String(this.threads)], {
      OPENBLAS_NUM_THREADS: '1', // NumPy only reads DICOM, which is compared on one core
      ...environment,
    });

  async #get(name: string, start: () => Promise<WorkerProcess>): Promise<WorkerProcess> {
    const worker = this.#started.get(name) ?? (await start());
    this.#started.set(name, worker);
    return worker;
  }

  async #start(
    command: [string, ...string[]],
    environment: Readonly<Record<string, string>>,
  ): Promise<WorkerProcess> {
    const worker = new WorkerProcess(command, environment);
    const hello = await worker.receive<{ versions: string }>();
    if ('missing' in hello) throw new SpinegradError('ERR_PEER', hello.missing);
    this.versions.add(hello.versions);
    return worker;
  }

  [Symbol.dispose](): void {
    for (const worker of this.#started.values()) worker[Symbol.dispose]();
  }
}

/** Returns a Python with torch, or prints why there is none. */
async function findPython({ python, peer, threads }: Options): Promise<string | undefined> {
  if (!peer) return undefined;
  const found = python ? { python } : createEnvironment('build/venv-peers', PACKAGES, DECODERS);
  let { missing } = { missing: '', ...found };
  if ('python' in found) {
    using worker = new WorkerProcess([found.python, 'bench/peers/worker.py', String(threads)]);
    const hello = await worker.receive<{ versions: string }>();
    if (!('missing' in hello)) return found.python;
    missing = hello.missing;
  }
  console.log(`PyTorch is not available: ${missing}. Only spinegrad is measured.`);
  return undefined;
}

async function main(options: Options): Promise<void> {
  using workers = new Workers(await findPython(options), options.threads);
  if (options.dry) await dryRun(workers);
  else await measure(workers, options);
}

async function dryRun(workers: Workers): Promise<void> {
  console.log('DRY RUN, NO MEASUREMENT: one small workload, once.');
  const peers = await workers.peers(DRY_RUN);
  const effort = { warmUps: 0, rounds: 1 };
  const { label, difference } = await compare(DRY_RUN, await workers.spinegrad, peers, effort);
  console.log(
    `ran ${label}${difference === null ? '' : ' with spinegrad and PyTorch; the results are equal'}`,
  );
}

async function measure(workers: Workers, { workload, quick, save, threads }: Options): Promise<void> {
  const effort = quick ? { warmUps: 1, rounds: 3 } : { warmUps: 2, rounds: 11 };
  const names = workload.length > 0 ? workload : NAMES;
  const comparisons = names.flatMap((name) => COMPARISONS[name] ?? []);
  const results: Result[] = [];
  const folder = mkdtempSync(join(tmpdir(), 'spinegrad-peers-'));
  try {
    const files = names.includes('dicom') ? await dicomFiles(folder) : {};
    for (const comparison of comparisons) {
      const { options } = comparison;
      const resolved =
        'files' in options ? { ...comparison, options: { files: files[options.files!]! } } : comparison;
      const peers = await workers.peers(comparison);
      const result = await compare(resolved, await workers.spinegrad, peers, effort);
      results.push(result);
      console.error(`${detailsOf(result).join('\n')}\n`);
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
  const measures = [
    ...(names.includes('memory')
      ? await measureMemory(workers.startSpinegrad, workers.python ? workers.startPeer : undefined)
      : []),
    ...(names.includes('start') ? await measureStart(effort.rounds) : []),
    ...(names.includes('queue') ? await measureQueue(await workers.spinegrad, effort.rounds) : []),
  ];
  if (results.length > 0) console.log(`${comparisonTable(results)}\n`);
  if (measures.length > 0) console.log(`${measureTable(measures)}\n`);
  const versions = [...workers.versions];
  console.log(`${processor()}, ${threads} threads; ${versions.join('; ')}`);
  if (save) {
    const file = saveResults('bench/results', { runs: [{ versions, threads, effort, results, measures }] });
    console.log(`written: ${file}`);
  }
}

await runBench(() => main(command.parse().opts<Options>()));
