/** Reads many files at once in worker threads. A file that fails, crashes its thread or never ends rejects alone. */
import type { SpinegradError } from '../error.js';
import { ThreadPool, type ThreadPoolOptions } from '../io/threads.js';
import type { DicomImage, ReadOptions } from './types.js';
import type { ReadRequest } from './worker.js';

/** One file of `DicomPool.readAll`: its image, or why there is none. */
export type DicomResult = { path: string; image: DicomImage } | { path: string; error: SpinegradError };

/**
 * A pool of reading threads.
 *
 *     await using pool = new DicomPool();
 *     for await (const result of pool.readAll(paths)) ...
 */
export class DicomPool implements AsyncDisposable {
  readonly #threads: ThreadPool<ReadRequest, DicomImage>;

  constructor(options: ThreadPoolOptions = {}) {
    this.#threads = new ThreadPool(new URL('./worker.js', import.meta.url), 'DicomPool', options);
  }

  /** Reads one file; rejects with the errors of `readDicom`. */
  read(path: string, options: ReadOptions = {}): Promise<DicomImage> {
    return this.#threads.run({ path, options }, path);
  }

  /** Reads files and yields their results in the order of `paths`, a few files ahead of the consumer. */
  async *readAll(paths: Iterable<string>, options: ReadOptions = {}): AsyncGenerator<DicomResult> {
    const ahead: Promise<DicomResult>[] = [];
    for (const path of paths) {
      ahead.push(
        this.read(path, options).then(
          (image) => ({ path, image }),
          (error: SpinegradError) => ({ path, error }),
        ),
      );
      if (ahead.length > 2 * this.#threads.size) yield await ahead.shift()!;
    }
    for (const result of ahead) yield await result;
  }

  /** Ends the threads; files that were not read yet are rejected. */
  close(): Promise<void> {
    return this.#threads.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
