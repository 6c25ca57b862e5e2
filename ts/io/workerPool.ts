/**
 * A pool of worker threads. A request that crashes its thread or exceeds the time limit rejects alone, and the thread
 * is replaced.
 */
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { SpinegradError } from '../error.js';

export interface WorkerPoolOptions {
  /** Number of threads; default: the number of processors. */
  size?: number;
  /** Time limit of a request, or of each of its steps, in ms; default 60,000. */
  timeoutMs?: number;
}

/**
 * Messages from a thread. `label` names the next step of the request and restarts its time limit; the other two end
 * the request.
 */
export type WorkerReply<Result> =
  | { label: string }
  | { result: Result }
  | { code: SpinegradError['code']; message: string };

/** The thread crashed, ended or exceeded the time limit at the step `label`. */
export class WorkerLostError extends SpinegradError {
  constructor(
    readonly label: string,
    readonly reason: string,
  ) {
    super('ERR_WORKER_LOST', `${label}: ${reason}`);
  }
}

interface Job<Request, Result> {
  request: Request;
  label: string;
  resolve: (result: Result) => void;
  reject: (error: SpinegradError) => void;
}

/** Threads start when they are first needed. Idle threads do not keep the process alive. */
export class WorkerPool<Request, Result> implements AsyncDisposable {
  readonly size: number;
  readonly #timeoutMs: number;
  readonly #queue: Job<Request, Result>[] = [];
  readonly #idle: Worker[] = [];
  readonly #workers = new Set<Worker>();
  #closed = false;

  /**
   * @param script module that each thread runs; it answers every request with `WorkerReply`s
   * @param name of the pool, for error messages
   * @throws SpinegradError ERR_ARGUMENT if `size` is not a positive integer
   */
  constructor(
    private readonly script: URL,
    private readonly name: string,
    { size = availableParallelism(), timeoutMs = 60_000 }: WorkerPoolOptions,
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
   * Runs one request; requests start in the order of the calls.
   *
   * @param label names the request in errors, for example the path of its file
   * @throws SpinegradError the error that the thread replies with; WorkerLostError; ERR_DISPOSED
   */
  run(request: Request, label: string): Promise<Result> {
    return new Promise((resolve, reject) => {
      if (this.#closed) {
        reject(this.#closedError(label));
        return;
      }
      this.#queue.push({ request, label, resolve, reject });
      this.#dispatch();
    });
  }

  /** Ends the threads. Unfinished requests reject with ERR_DISPOSED. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const { label, reject } of this.#queue.splice(0)) reject(this.#closedError(label));
    await Promise.all([...this.#workers].map((worker) => worker.terminate()));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #closedError(label: string): SpinegradError {
    return new SpinegradError('ERR_DISPOSED', `${label}: not finished because the ${this.name} is closed`);
  }

  #dispatch(): void {
    while (this.#queue.length > 0) {
      const worker = this.#idle.pop() ?? (this.#workers.size < this.size ? this.#start() : undefined);
      if (worker === undefined) return;
      this.#run(worker, this.#queue.shift()!);
    }
  }

  #start(): Worker {
    // A worker inherits execArgv; `--input-type=module` of `node --eval` is not valid for a file.
    const worker = new Worker(this.script, { execArgv: [] });
    this.#workers.add(worker);
    // An error ends the thread. The request in flight has its own listener.
    worker.on('error', () => {});
    worker.on('exit', () => {
      this.#workers.delete(worker);
      if (this.#idle.includes(worker)) this.#idle.splice(this.#idle.indexOf(worker), 1);
    });
    return worker;
  }

  #run(worker: Worker, { request, label, resolve, reject }: Job<Request, Result>): void {
    let step = label;
    const settle = () => {
      clearTimeout(timer);
      worker.off('message', onMessage);
      worker.off('error', onError);
      worker.off('exit', onExit);
    };
    const lose = (reason: string) => {
      settle();
      this.#workers.delete(worker);
      void worker.terminate();
      reject(this.#closed ? this.#closedError(step) : new WorkerLostError(step, reason));
      this.#dispatch();
    };
    const onMessage = (reply: WorkerReply<Result>) => {
      if ('label' in reply) {
        step = reply.label;
        timer.refresh();
        return;
      }
      settle();
      // While the pool closes, the process must stay alive until its threads have ended.
      if (!this.#closed) worker.unref();
      this.#idle.push(worker);
      if ('result' in reply) resolve(reply.result);
      else reject(new SpinegradError(reply.code, reply.message));
      this.#dispatch();
    };
    const onError = (error: Error) => lose(`the worker thread crashed (${error.message})`);
    const onExit = () => lose('the worker thread ended');
    const timer = setTimeout(() => lose(`not finished within ${this.#timeoutMs} ms`), this.#timeoutMs);
    worker.on('message', onMessage);
    worker.on('error', onError);
    worker.on('exit', onExit);
    worker.ref();
    worker.postMessage(request);
  }
}
