/**
 * `npm run bench:peers`: spinegrad beside PyTorch on the same works, on the same processor, in turns.
 * docs/performance.md tells what is compared and how.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { SpinegradError } from '#spinegrad/error.js';
import { Conversation } from '../lib/conversation.js';
import { oneOf } from '../lib/options.js';
import { processor, saveResults } from '../lib/results.js';
import { runBench } from '../lib/run.js';
import { environment } from '../lib/venv.js';
import { memory, queue, start } from './absolute.js';
import { compare, type Peers, type Result } from './compare.js';
import { dicomFiles } from './files.js';
import { linesOf, measuresOf, tableOf } from './table.js';
import { COMPARISONS, type Comparison, DRY } from './works.js';

const OTHERS = ['memory', 'start', 'queue'];
const NAMES = [...Object.keys(COMPARISONS), ...OTHERS];
/** Pages that were freed stay with the process, as a training loop would want it. */
const TUNED = { MALLOC_MMAP_MAX_: '0', MALLOC_TRIM_THRESHOLD_: '4294967296', MALLOC_TOP_PAD_: '67108864' };
const PACKAGES = ['torch==2.13.0', 'numpy', 'pydicom'];
/** Of JPEG 2000, for pydicom, which takes the best that is there. */
const DECODERS = ['pylibjpeg', 'pylibjpeg-openjpeg', 'pillow'];

interface Options {
  work: string[];
  threads: number;
  quick?: true;
  dry?: true;
  python?: string;
  peer: boolean;
  save: boolean;
}

const command = new Command('bench:peers')
  .description('time the works of training and grading beside PyTorch on this processor')
  .option('--work <name>', `only this one of ${NAMES.join(', ')}; may be repeated`, oneOf(NAMES), [])
  .option('--threads <n>', 'threads of each side', Number, 2)
  .option('--quick', 'fewer repeats')
  .option('--dry', 'one tiny work once: shows that all of it runs, measures nothing')
  .option('--python <path>', 'a Python with torch, numpy and pydicom, instead of one made in build/')
  .option('--no-peer', 'without PyTorch')
  .option('--no-save', 'do not write bench/results/<date>-<cpu>.json');

/** The processes of a run; each starts when it is first needed, and sleeps between its turns. */
class Sides implements Disposable {
  readonly #kept = new Map<string, Conversation>();
  readonly versions = new Set<string>();

  constructor(
    /** Undefined without PyTorch. */
    readonly python: string | undefined,
    private readonly threads: number,
  ) {}

  get ours(): Promise<Conversation> {
    return this.#keep('ours', this.startOurs);
  }

  /** PyTorch as it is and, where a target wants it, with a malloc that keeps its pages. */
  async peers({ targets }: Comparison): Promise<Peers> {
    if (!this.python) return {};
    const peers: Peers = { default: await this.#keep('default', this.startTheirs) };
    if (!targets.some(({ peer }) => peer === 'tuned')) return peers;
    return { ...peers, tuned: await this.#keep('tuned', () => this.startTheirs(TUNED)) };
  }

  readonly startOurs = (): Promise<Conversation> =>
    this.#start([process.execPath, 'build/bench/peers/worker.js', String(this.threads)], {});

  readonly startTheirs = (environment: Record<string, string> = {}): Promise<Conversation> =>
    this.#start([this.python!, 'bench/peers/worker.py', String(this.threads)], {
      OPENBLAS_NUM_THREADS: '1', // NumPy's own, which only reads DICOM: that is compared on one core
      ...environment,
    });

  async #keep(name: string, start: () => Promise<Conversation>): Promise<Conversation> {
    const side = this.#kept.get(name) ?? (await start());
    this.#kept.set(name, side);
    return side;
  }

  async #start(
    line: [string, ...string[]],
    environment: Readonly<Record<string, string>>,
  ): Promise<Conversation> {
    const side = new Conversation(line, environment);
    const hello = await side.next<{ versions: string }>();
    if ('missing' in hello) throw new SpinegradError('ERR_PEER', hello.missing);
    this.versions.add(hello.versions);
    return side;
  }

  [Symbol.dispose](): void {
    for (const side of this.#kept.values()) side[Symbol.dispose]();
  }
}

/** A Python with torch; without one it is said why. */
async function pythonOf({ python, peer, threads }: Options): Promise<string | undefined> {
  if (!peer) return undefined;
  const found = python ? { python } : environment('build/venv-peers', PACKAGES, DECODERS);
  let { missing } = { missing: '', ...found };
  if ('python' in found) {
    using conversation = new Conversation([found.python, 'bench/peers/worker.py', String(threads)]);
    const hello = await conversation.next<{ versions: string }>();
    if (!('missing' in hello)) return found.python;
    missing = hello.missing;
  }
  console.log(`PyTorch is not there: ${missing}. spinegrad is measured alone.`);
  return undefined;
}

async function main(options: Options): Promise<void> {
  using sides = new Sides(await pythonOf(options), options.threads);
  if (options.dry) await dryRun(sides);
  else await measure(sides, options);
}

async function dryRun(sides: Sides): Promise<void> {
  console.log('A DRY RUN, NO MEASUREMENT: one tiny work, once.');
  const peers = await sides.peers(DRY);
  const { label, difference } = await compare(DRY, await sides.ours, peers, { warmUps: 0, rounds: 1 });
  console.log(`ran ${label}${difference === null ? '' : ' on both sides, with the same result'}`);
}

async function measure(sides: Sides, { work, quick, save, threads }: Options): Promise<void> {
  const effort = quick ? { warmUps: 1, rounds: 3 } : { warmUps: 2, rounds: 11 };
  const names = work.length > 0 ? work : NAMES;
  const comparisons = names.flatMap((name) => COMPARISONS[name] ?? []);
  const results: Result[] = [];
  const folder = mkdtempSync(join(tmpdir(), 'spinegrad-peers-'));
  try {
    const files = names.includes('dicom') ? await dicomFiles(folder) : {};
    for (const comparison of comparisons) {
      const { options } = comparison;
      const given =
        'files' in options ? { ...comparison, options: { files: files[options.files!]! } } : comparison;
      const result = await compare(given, await sides.ours, await sides.peers(comparison), effort);
      results.push(result);
      console.error(`${linesOf(result).join('\n')}\n`);
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
  const measures = [
    ...(names.includes('memory')
      ? await memory(sides.startOurs, sides.python ? sides.startTheirs : undefined)
      : []),
    ...(names.includes('start') ? await start(effort.rounds) : []),
    ...(names.includes('queue') ? await queue(await sides.ours, effort.rounds) : []),
  ];
  if (results.length > 0) console.log(`${tableOf(results)}\n`);
  if (measures.length > 0) console.log(`${measuresOf(measures)}\n`);
  const versions = [...sides.versions];
  console.log(`${processor()}, ${threads} threads; ${versions.join('; ')}`);
  if (save) {
    const file = saveResults('bench/results', { runs: [{ versions, threads, effort, results, measures }] });
    console.log(`written: ${file}`);
  }
}

await runBench(() => main(command.parse().opts<Options>()));
