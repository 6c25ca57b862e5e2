/**
 * Work that worker threads do on DICOM files, so that it neither blocks the event loop nor the device. Work that crashes its
 * thread or never ends rejects alone: its thread is replaced.
 */
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { SpinegradError } from '../error.js';

export interface ThreadPoolOptions {
  /** Threads; default: the cores of the machine. */
  size?: number;
  /** Time a file may take before its thread is ended; default 60 s. */
  timeoutMs?: number;
}

/** What a thread answers to a request: which file it goes on to, any number of times, then how the work ended. */
export type ThreadReply<Result> =
  | { file: string }
  | { result: Result }
  | { code: SpinegradError['code']; message: string };

/** Its thread was lost while it worked on `path`. */
export class LostThreadError extends SpinegradError {
  constructor(
    readonly path: string,
    found: string,
  ) {
    super('ERR_DICOM_DECODE', `${path}: ${found}; the file is probably damaged`);
  }
}

interface Job<Request, Result> {
  request: Request;
  path: string;
  resolve: (result: Result) => void;
  reject: (error: SpinegradError) => void;
}

/** Threads start when they are first needed and do not keep the process alive while idle. */
export class ThreadPool<Request, Result> implements AsyncDisposable {
  readonly size: number;
  readonly #timeoutMs: number;
  readonly #queue: Job<Request, Result>[] = [];
  readonly #idle: Worker[] = [];
  readonly #workers = new Set<Worker>();
  #closed = false;

  /**
   * @param script the module of the threads, which answers each request with `ThreadReply`s
   * @param name of the pool, for messages
   */
  constructor(
    private readonly script: URL,
    private readonly name: string,
    { size = availableParallelism(), timeoutMs = 60_000 }: ThreadPoolOptions,
  ) {
    if (!Number.isInteger(size) || size < 1) {
      throw new SpinegradError(
        'ERR_ARGUMENT',
        `${name}: size is ${String(size)}, expected an integer of 1 or more`,
      );
    }
    this.size = size;
    this.#timeoutMs = timeoutMs;
  }

  /**
   * The work of one request, of which `path` is the first file.
   *
   * @throws SpinegradError what the thread answers; LostThreadError; ERR_DISPOSED
   */
  run(request: Request, path: string): Promise<Result> {
    return new Promise((resolve, reject) => {
      if (this.#closed) {
        reject(new SpinegradError('ERR_DISPOSED', `${path}: the ${this.name} that should read it is closed`));
        return;
      }
      this.#queue.push({ request, path, resolve, reject });
      this.#dispatch();
    });
  }

  /** Ends the threads; files that were not read yet are rejected. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const { path, reject } of this.#queue.splice(0)) {
      reject(new SpinegradError('ERR_DISPOSED', `${path}: the ${this.name} was closed before it was read`));
    }
    await Promise.all([...this.#workers].map((worker) => worker.terminate()));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #dispatch(): void {
    while (this.#queue.length > 0) {
      const worker = this.#idle.pop() ?? (this.#workers.size < this.size ? this.#start() : undefined);
      if (worker === undefined) return;
      this.#run(worker, this.#queue.shift()!);
    }
  }

  #start(): Worker {
    // A thread's file is not what `node --input-type=module --eval` speaks of.
    const worker = new Worker(this.script, { execArgv: [] });
    this.#workers.add(worker);
    // An error always ends the thread; the job in flight, if any, hears of it through its own listener.
    worker.on('error', () => {});
    worker.on('exit', () => {
      this.#workers.delete(worker);
      if (this.#idle.includes(worker)) this.#idle.splice(this.#idle.indexOf(worker), 1);
    });
    return worker;
  }

  #run(worker: Worker, { request, path, resolve, reject }: Job<Request, Result>): void {
    let file = path;
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
          ? new SpinegradError('ERR_DISPOSED', `${file}: the ${this.name} was closed while it was read`)
          : new LostThreadError(file, found),
      );
      this.#dispatch();
    };
    const onMessage = (reply: ThreadReply<Result>) => {
      if ('file' in reply) {
        file = reply.file;
        timer.refresh();
        return;
      }
      settle();
      // A thread that is being ended holds the process until it has.
      if (!this.#closed) worker.unref();
      this.#idle.push(worker);
      if ('result' in reply) resolve(reply.result);
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
