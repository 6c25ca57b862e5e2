/**
 * Reads many files at once in worker threads, so that decoding neither blocks the event loop nor the device. A
 * file that fails, crashes its thread or never ends rejects alone: its thread is replaced.
 */
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { SpinegradError } from '../error.js';
import type { DicomImage, ReadOptions } from './types.js';
import type { WorkerReply, WorkerRequest } from './worker.js';

export interface DicomPoolOptions {
  /** Threads; default: the cores of the machine. */
  size?: number;
  /** Time a file may take before its thread is ended; default 60 s. */
  timeoutMs?: number;
}

/** One file of `DicomPool.readAll`: its image, or why there is none. */
export type DicomResult = { path: string; image: DicomImage } | { path: string; error: SpinegradError };

interface Job {
  request: WorkerRequest;
  resolve: (image: DicomImage) => void;
  reject: (error: SpinegradError) => void;
}

/**
 * A pool of reading threads. Threads start when they are first needed and do not keep the process alive while
 * idle.
 *
 *     await using pool = new DicomPool();
 *     for await (const result of pool.readAll(paths)) ...
 */
export class DicomPool implements AsyncDisposable {
  readonly #size: number;
  readonly #timeoutMs: number;
  readonly #queue: Job[] = [];
  readonly #idle: Worker[] = [];
  readonly #workers = new Set<Worker>();
  #closed = false;

  constructor({ size = availableParallelism(), timeoutMs = 60_000 }: DicomPoolOptions = {}) {
    if (!Number.isInteger(size) || size < 1) {
      throw new SpinegradError(
        'ERR_ARGUMENT',
        `DicomPool: size is ${String(size)}, expected an integer of 1 or more`,
      );
    }
    this.#size = size;
    this.#timeoutMs = timeoutMs;
  }

  /** Reads one file; rejects with the errors of `readDicom`. */
  read(path: string, options: ReadOptions = {}): Promise<DicomImage> {
    return new Promise((resolve, reject) => {
      if (this.#closed) {
        reject(new SpinegradError('ERR_DISPOSED', `${path}: the DicomPool that should read it is closed`));
        return;
      }
      this.#queue.push({ request: { path, options }, resolve, reject });
      this.#dispatch();
    });
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
      if (ahead.length > 2 * this.#size) yield await ahead.shift()!;
    }
    for (const result of ahead) yield await result;
  }

  /** Ends the threads; files that were not read yet are rejected. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const { request, reject } of this.#queue.splice(0)) {
      reject(
        new SpinegradError('ERR_DISPOSED', `${request.path}: the DicomPool was closed before it was read`),
      );
    }
    await Promise.all([...this.#workers].map((worker) => worker.terminate()));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #dispatch(): void {
    while (this.#queue.length > 0) {
      const worker = this.#idle.pop() ?? (this.#workers.size < this.#size ? this.#start() : undefined);
      if (worker === undefined) return;
      this.#run(worker, this.#queue.shift()!);
    }
  }

  #start(): Worker {
    // A thread's file is not what `node --input-type=module --eval` speaks of.
    const worker = new Worker(new URL('./worker.js', import.meta.url), { execArgv: [] });
    this.#workers.add(worker);
    // An error always ends the thread; the job in flight, if any, hears of it through its own listener.
    worker.on('error', () => {});
    worker.on('exit', () => {
      this.#workers.delete(worker);
      if (this.#idle.includes(worker)) this.#idle.splice(this.#idle.indexOf(worker), 1);
    });
    return worker;
  }

  #run(worker: Worker, { request, resolve, reject }: Job): void {
    const settle = () => {
      clearTimeout(timer);
      worker.off('message', onMessage);
      worker.off('error', onError);
      worker.off('exit', onExit);
    };
    const lose = (found: string) => {
      settle();
      this.#workers.delete(worker);
      void worker.terminate();
      reject(
        this.#closed
          ? new SpinegradError('ERR_DISPOSED', `${request.path}: the DicomPool was closed while it was read`)
          : new SpinegradError('ERR_DICOM_DECODE', `${request.path}: ${found}; the file is probably damaged`),
      );
      this.#dispatch();
    };
    const onMessage = (reply: WorkerReply) => {
      settle();
      // A thread that is being ended holds the process until it has.
      if (!this.#closed) worker.unref();
      this.#idle.push(worker);
      if ('image' in reply) resolve(reply.image);
      else reject(new SpinegradError(reply.code, reply.message));
      this.#dispatch();
    };
    const onError = (error: Error) => lose(`its decoder crashed (${error.message})`);
    const onExit = () => lose('its decoder ended');
    const timer = setTimeout(() => lose(`not decoded within ${this.#timeoutMs} ms`), this.#timeoutMs);
    worker.on('message', onMessage);
    worker.on('error', onError);
    worker.on('exit', onExit);
    worker.ref();
    worker.postMessage(request);
  }
}
