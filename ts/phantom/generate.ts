/**
 * Writes a folder of synthetic studies in the RSNA 2024 layout. Studies are spread over worker threads; each
 * depends on (seed, index) alone and the CSVs are sorted by index, so the bytes do not depend on the threads.
 * `phantom.json` goes first (whatever is in the folder is marked as synthetic) and the CSVs last (a folder that was
 * not finished is not taken for a data set).
 */
import { readdir, writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { SpinegradError } from '../error.js';
import { makeFolder, writeFileAtomic } from '../io/atomic.js';
import { asSpinegradError } from './errors.js';
import { PREVALENCES, type Prevalence } from './prevalence.js';
import { csvFiles, type StudyRows } from './tables.js';

export interface PhantomOptions {
  /** Folder to write; made if missing, must be empty. */
  readonly out: string;
  readonly studies: number;
  readonly seed: number;
  readonly prevalence: Prevalence;
  /** Sagittal slices a study, about the midline. */
  readonly slices?: number;
}

export interface GenerateOptions extends PhantomOptions {
  /** Worker threads; as many as there are processors if not given. */
  readonly workers?: number;
  readonly onProgress?: (done: number, total: number) => void;
  /** Stops the run; the folder stays without CSVs. */
  readonly signal?: AbortSignal;
}

/** Content of phantom.json. */
export interface PhantomMarker {
  synthetic: true;
  version: 1;
  seed: number;
  studies: number;
  prevalence: Prevalence;
  slices: number;
}

/** What a worker says about a study: its rows, or why there are none. */
type Answer = { index: number; rows: StudyRows } | { index: number; code: `ERR_${string}`; message: string };

/**
 * @throws SpinegradError ERR_ARGUMENT, ERR_OUT_NOT_EMPTY, ERR_WRITE, ERR_DISK_FULL, ERR_ABORTED
 */
export async function generatePhantom(options: GenerateOptions): Promise<void> {
  const { out, studies, seed, prevalence, slices = 7 } = options;
  checkInteger('studies', studies, 1, 999_999);
  checkInteger('slices', slices, 1, 99);
  checkInteger('seed', seed, 0, Number.MAX_SAFE_INTEGER);
  if (!PREVALENCES.includes(prevalence)) {
    throw new SpinegradError(
      'ERR_ARGUMENT',
      `phantom: prevalence is '${prevalence}', expected ${PREVALENCES.join(' or ')}`,
    );
  }
  const marker: PhantomMarker = { synthetic: true, version: 1, seed, studies, prevalence, slices };
  try {
    await openFolder(out);
    await writeFile(join(out, 'phantom.json'), `${JSON.stringify(marker, null, 2)}\n`);
    const rows = await runWorkers({ ...options, slices });
    for (const [name, text] of csvFiles(rows)) await writeFileAtomic(join(out, name), text);
  } catch (error) {
    throw asSpinegradError(out, error);
  }
}

async function openFolder(out: string): Promise<void> {
  await makeFolder(out);
  const present = await readdir(out);
  if (present.length === 0) return;
  throw new SpinegradError(
    'ERR_OUT_NOT_EMPTY',
    `phantom: ${out} is not empty (it holds ${present[0]}${present.length > 1 ? ' and more' : ''}); ` +
      'give a new or an empty folder, so that studies of two runs never mix',
  );
}

async function runWorkers(options: GenerateOptions): Promise<StudyRows[]> {
  const { out, studies, seed, prevalence, slices, onProgress, signal } = options;
  const shared: PhantomOptions = { out, studies, seed, prevalence, slices };
  const count = Math.min(options.workers ?? availableParallelism(), studies);
  const workers: Worker[] = [];
  const rows = new Array<StudyRows>(studies);
  let next = 0;
  let done = 0;
  try {
    await new Promise<void>((resolve, reject) => {
      const abort = () =>
        reject(new SpinegradError('ERR_ABORTED', `phantom: stopped after ${done} of ${studies} studies`));
      if (signal?.aborted) return abort();
      signal?.addEventListener('abort', abort, { once: true });
      for (let i = 0; i < count; i++) {
        const worker = new Worker(new URL('./worker.js', import.meta.url), {
          workerData: shared,
          execArgv: [],
        });
        workers.push(worker);
        worker.on('error', reject);
        worker.on('message', (answer: Answer) => {
          if ('code' in answer) return reject(new SpinegradError(answer.code, answer.message));
          rows[answer.index] = answer.rows;
          done++;
          onProgress?.(done, studies);
          if (next < studies) worker.postMessage(next++);
          else if (done === studies) resolve();
        });
        worker.postMessage(next++);
      }
    });
  } finally {
    await Promise.all(workers.map((worker) => worker.terminate()));
  }
  return rows;
}

function checkInteger(name: string, value: number, low: number, high: number): void {
  if (Number.isSafeInteger(value) && value >= low && value <= high) return;
  throw new SpinegradError(
    'ERR_ARGUMENT',
    `phantom: ${name} is ${value}, expected a whole number from ${low} to ${high}`,
  );
}
