/**
 * Writes a folder of synthetic studies in the RSNA 2024 layout, in worker threads. A study depends only on (seed,
 * index) and the CSV files are sorted by index, so the bytes do not depend on the number of threads. `phantom.json` is
 * written first, so that the content of the folder is always marked as synthetic. The CSV files are written last, so
 * that an unfinished folder is not a valid data set.
 */
import { readdir, writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { SpinegradError } from '../error.js';
import { makeFolder, writeFileAtomic } from '../io/atomic.js';
import { WorkerPool } from '../io/workerPool.js';
import { asSpinegradError } from './errors.js';
import { PREVALENCES, type Prevalence } from './prevalence.js';
import { PHANTOM_SERIES, type PhantomSeries } from './study.js';
import { csvFiles, type StudyRows } from './tables.js';
import type { StudyRequest } from './worker.js';
import type { PhantomOptions } from './writeStudy.js';

/** Time limit of one study. A study takes seconds. */
const STUDY_TIMEOUT_MS = 600_000;

export interface GenerateOptions extends PhantomOptions {
  /** Number of worker threads; default: the number of processors. */
  readonly workers?: number;
  readonly onProgress?: (done: number, total: number) => void;
  /** Aborts the run; the folder has no CSV files then. */
  readonly signal?: AbortSignal;
}

/** Content of `phantom.json`. */
export interface PhantomMarker {
  synthetic: true;
  version: 1;
  seed: number;
  studies: number;
  prevalence: Prevalence;
  slices: number;
  series: PhantomSeries[];
}

/**
 * Writes synthetic studies to a new or empty folder.
 *
 * @example
 * await generatePhantom({ out: 'phantom', studies: 20, seed: 1, prevalence: 'rsna' });
 * await generatePhantom({ out: 'all', studies: 20, seed: 1, prevalence: 'rsna', series: ['Sagittal T1', 'Axial T2'] });
 *
 * @throws SpinegradError ERR_ARGUMENT, ERR_OUT_NOT_EMPTY, ERR_WRITE, ERR_DISK_FULL, ERR_ABORTED
 */
export async function generatePhantom(options: GenerateOptions): Promise<void> {
  const { out, studies, seed, prevalence, slices = 7 } = options;
  checkInteger('studies', studies, 1, 999_999);
  checkInteger('slices', slices, 1, 99);
  checkInteger('seed', seed, 0, Number.MAX_SAFE_INTEGER);
  checkInteger('workers', options.workers ?? 1, 1, 999);
  if (!PREVALENCES.includes(prevalence)) {
    throw new SpinegradError(
      'ERR_ARGUMENT',
      `phantom: prevalence is '${prevalence}', expected ${PREVALENCES.join(' or ')}`,
    );
  }
  for (const name of options.series ?? []) {
    if (PHANTOM_SERIES.includes(name)) continue;
    throw new SpinegradError(
      'ERR_ARGUMENT',
      `phantom: there is no series '${name}'; expected one of ${PHANTOM_SERIES.join(', ')}`,
    );
  }
  const series = writtenSeries(options.series);
  const marker: PhantomMarker = { synthetic: true, version: 1, seed, studies, prevalence, slices, series };
  try {
    await makeEmptyFolder(out);
    await writeFile(join(out, 'phantom.json'), `${JSON.stringify(marker, null, 2)}\n`);
    const rows = await writeStudies({ ...options, slices, series });
    for (const [name, text] of csvFiles(rows)) await writeFileAtomic(join(out, name), text);
  } catch (error) {
    throw asSpinegradError(out, error);
  }
}

/** The series that a request writes, in their fixed order; the first one is always written. */
export function writtenSeries(requested: readonly PhantomSeries[] = []): PhantomSeries[] {
  return PHANTOM_SERIES.filter((name, i) => i === 0 || requested.includes(name));
}

async function makeEmptyFolder(out: string): Promise<void> {
  await makeFolder(out);
  const present = await readdir(out);
  if (present.length === 0) return;
  throw new SpinegradError(
    'ERR_OUT_NOT_EMPTY',
    `phantom: ${out} is not empty (found ${present[0]}${present.length > 1 ? ' and more' : ''}); ` +
      'choose a new or empty folder',
  );
}

async function writeStudies(options: GenerateOptions): Promise<StudyRows[]> {
  const {
    out,
    studies,
    seed,
    prevalence,
    slices,
    series,
    workers = availableParallelism(),
    signal,
  } = options;
  let done = 0;
  const abortError = () =>
    new SpinegradError('ERR_ABORTED', `phantom: stopped after ${done} of ${studies} studies`);
  if (signal?.aborted) throw abortError();
  const aborted = new Promise<never>((_, reject) => {
    signal?.addEventListener('abort', () => reject(abortError()), { once: true });
  });
  await using pool = new WorkerPool<StudyRequest, StudyRows>(
    new URL('./worker.js', import.meta.url),
    'phantom',
    { size: Math.min(workers, studies), timeoutMs: STUDY_TIMEOUT_MS },
  );
  const shared: PhantomOptions = { out, studies, seed, prevalence, slices, series };
  options.onProgress?.(0, studies);
  const write = async (index: number) => {
    const rows = await pool.run({ options: shared, index }, `phantom: study ${index}`);
    options.onProgress?.(++done, studies);
    return rows;
  };
  return await Promise.race([aborted, Promise.all(Array.from({ length: studies }, (_, i) => write(i)))]);
}

function checkInteger(name: string, value: number, low: number, high: number): void {
  if (Number.isSafeInteger(value) && value >= low && value <= high) return;
  throw new SpinegradError(
    'ERR_ARGUMENT',
    `phantom: ${name} is ${value}, expected an integer from ${low} to ${high}`,
  );
}
