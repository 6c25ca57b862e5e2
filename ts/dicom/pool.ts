/** Reads files in worker threads. A file that crashes its thread or exceeds the time limit rejects alone. */
import { SpinegradError } from '../error.js';
import { WorkerLostError, WorkerPool, type WorkerPoolOptions } from '../io/workerPool.js';
import type { DicomImage, ReadOptions } from './types.js';
import type { ReadRequest } from './worker.js';

/** Result of one file of `DicomPool.readAll`. */
export type DicomResult = { path: string; image: DicomImage } | { path: string; error: SpinegradError };

/** The error of a file (`label`) whose worker thread crashed or exceeded the time limit. */
export function decodeError({ label, reason }: WorkerLostError): SpinegradError {
  return new SpinegradError('ERR_DICOM_DECODE', `${label}: ${reason}; the file is probably damaged`);
}

/**
 * A pool of threads that read DICOM files.
 *
 * @example
 * await using pool = new DicomPool();
 * for await (const result of pool.readAll(paths)) {
 *   if ('error' in result) console.warn(result.error.message);
 *   else console.log(result.image.rows, result.image.columns);
 * }
 */
export class DicomPool implements AsyncDisposable {
  readonly #workers: WorkerPool<ReadRequest, DicomImage>;

  /** @throws SpinegradError ERR_ARGUMENT if `size` is not a positive integer */
  constructor(options: WorkerPoolOptions = {}) {
    this.#workers = new WorkerPool(new URL('./worker.js', import.meta.url), 'DicomPool', options);
  }

  /**
   * Reads one file.
   *
   * @throws SpinegradError the errors of `readDicom`; ERR_DICOM_DECODE also if the thread crashes or exceeds the time
   *   limit; ERR_DISPOSED
   */
  async read(path: string, options: ReadOptions = {}): Promise<DicomImage> {
    try {
      return await this.#workers.run({ path, options }, path);
    } catch (error) {
      throw error instanceof WorkerLostError ? decodeError(error) : error;
    }
  }

  /** Reads files and yields the results in the order of `paths`, reading at most two files per thread ahead. */
  async *readAll(paths: Iterable<string>, options: ReadOptions = {}): AsyncGenerator<DicomResult> {
    const pending: Promise<DicomResult>[] = [];
    for (const path of paths) {
      pending.push(
        this.read(path, options).then(
          (image) => ({ path, image }),
          (error: SpinegradError) => ({ path, error }),
        ),
      );
      if (pending.length > 2 * this.#workers.size) yield await pending.shift()!;
    }
    for (const result of pending) yield await result;
  }

  /** Ends the threads. Unread files reject with ERR_DISPOSED. */
  close(): Promise<void> {
    return this.#workers.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
