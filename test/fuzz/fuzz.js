/**
 * Reads mutations of the files of a corpus. Each is read, or refused with a SpinegradError that names the file, in at most
 * 5 s of processor time and within bounded memory. Runs in a separate process (fuzz.test.ts), because a failure could crash it.
 *
 *     node test/fuzz/fuzz.js <corpus> <seed> <mutations> <targets, separated by commas> [<first mutation>]
 *
 * Prints one line of JSON per target. After a crash or a hang, the changed file is still in `<corpus>/<target>-changed`.
 */
import { cpSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { extname, join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { SpinegradError } from '#spinegrad/error.js';
import { RandomStream } from '#spinegrad/random.js';
import { mutate } from './mutate.js';
import { TARGETS } from './targets.js';

/** Maximum time of a mutation. */
const MAX_SECONDS = 5;

/** Memory of a mutation: at most this, and at most so many times the size of the file or of the unpacked file. */
const MAX_BYTES = 64 * 2 ** 20;
const MAX_MULTIPLE = 8;

const MAX_MESSAGE = 2000;

const [corpus, seedText, countText, names, firstText = '0'] = process.argv.slice(2);
const [seed, count, first] = [seedText, countText, firstText].map(Number);

/** The number of the current mutation, for the watchdog. */
const position = new Int32Array(new SharedArrayBuffer(4));
new Worker(new URL('watchdog.js', import.meta.url), {
  workerData: { position, maxSeconds: MAX_SECONDS },
}).unref();

/** Seconds of the processors. */
function busySeconds() {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

/** Resets the peak of the resident memory, and returns it in bytes. */
function peakMemory() {
  const status = readFileSync('/proc/self/status', 'latin1');
  writeFileSync('/proc/self/clear_refs', '5');
  return 1024 * Number(/VmHWM:\s+(\d+)/.exec(status)[1]);
}

/** What is wrong with a result; null if nothing is. */
function problemOf(error, file, memory, size) {
  if (memory > MAX_BYTES + MAX_MULTIPLE * size) return `${(memory / 2 ** 20).toFixed(0)} MB of memory`;
  if (error === null) return null;
  if (!(error instanceof SpinegradError))
    return error instanceof Error ? error.stack.slice(0, 600) : String(error);
  if (error.code === 'ERR_INTERNAL') return error.message;
  if (!error.message.includes(file))
    return `${error.code} does not name the file: ${error.message.slice(0, 200)}`;
  return error.message.length > MAX_MESSAGE ? `${error.code} has ${error.message.length} characters` : null;
}

async function fuzz(name) {
  const target = TARGETS[name];
  const work = join(corpus, `${name}-changed`);
  cpSync(join(corpus, name), work, { recursive: true });
  const files = readdirSync(work, { recursive: true })
    .map((file) => join(work, file))
    .filter((file) => statSync(file).isFile() && (target.files ?? /$/).test(file))
    .sort();
  const originals = new Map(files.map((file) => [file, readFileSync(file)]));
  const codes = {};
  const problems = new Map();
  let [read, slowest, largest] = [0, 0, 0];
  for (const file of files) {
    try {
      await target.read(file);
    } catch (error) {
      problems.set(file, [`${file} of the corpus: ${error.stack}`]);
    }
  }
  for (let index = first; index < first + count; index++) {
    Atomics.store(position, 0, index);
    const random = new RandomStream(seed, index);
    const file = random.pick(files);
    const original = originals.get(file);
    const other = originals.get(random.pick(files.filter((name) => extname(name) === extname(file))));
    let size = original.length;
    const change = (bytes, isText = target.isText && extname(file) !== '.safetensors') => {
      const changed = mutate(random, bytes, { isText, other });
      size = Math.max(size, changed.length, bytes.length);
      return changed;
    };
    const isWithin = target.within !== undefined && random.chance(0.5);
    writeFileSync(file, isWithin ? target.within(original, change) : change(original));
    const before = process.memoryUsage.rss();
    peakMemory();
    const start = busySeconds();
    let error = null;
    try {
      await target.read(file);
      read++;
    } catch (cause) {
      error = cause;
      codes[cause?.code] = (codes[cause?.code] ?? 0) + 1;
    }
    slowest = Math.max(slowest, busySeconds() - start);
    const memory = peakMemory() - before;
    largest = Math.max(largest, memory);
    const problem = problemOf(error, file, memory, size);
    if (problem !== null) {
      const kind = problem.replaceAll(/\d+/g, '').slice(0, 100);
      const same = problems.get(kind) ?? [];
      if (same.length < 3) problems.set(kind, [...same, `mutation ${index} of ${file}: ${problem}`]);
    }
    writeFileSync(file, original);
  }
  const [slowestMs, largestMb] = [Math.round(1000 * slowest), Math.round(largest / 2 ** 20)];
  return { name, read, codes, slowestMs, largestMb, problems: [...problems.values()].flat() };
}

let isGood = true;
for (const name of names.split(',')) {
  const result = await fuzz(name);
  console.log(JSON.stringify(result));
  isGood &&= result.problems.length === 0;
}
process.exit(isGood ? 0 : 1);
