/**
 * Cuts studies in worker threads, so that the thread which fills the bank has little to do. A file that crashes its
 * thread or never ends costs no more than one that cannot be read: its study is cut once more without it.
 */
import { relative } from 'node:path';
import { decodeError } from '../dicom/pool.js';
import { WorkerLostError, WorkerPool, type WorkerPoolOptions } from '../io/workerPool.js';
import type { CutSpec, CutStudy } from './cut.js';
import { type RsnaStudy, studyFolder } from './rsna.js';
import type { CutRequest } from './worker.js';

/** A pool of cutting threads. */
export class CutPool implements AsyncDisposable {
  readonly #workers: WorkerPool<CutRequest, CutStudy>;

  constructor(options: WorkerPoolOptions = {}) {
    this.#workers = new WorkerPool(new URL('./worker.js', import.meta.url), 'CutPool', options);
  }

  get size(): number {
    return this.#workers.size;
  }

  /** What `cutStudy` gives; where a thread is lost twice on one file, a study left out. */
  async cut(study: RsnaStudy, spec: CutSpec): Promise<CutStudy> {
    const { studyId } = study;
    const lost: CutRequest['lost'] = new Map();
    for (;;) {
      try {
        return await this.#workers.run({ study, spec, lost }, studyFolder(spec.dataDir, studyId));
      } catch (error) {
        if (!(error instanceof WorkerLostError)) throw error;
        const path = error.label;
        const { code, message } = decodeError(error);
        if (lost.has(path)) {
          const skipped = { path: relative(spec.dataDir, path), code, message: `${message}; study left out` };
          return { studyId, discs: [], slice: null, skipped: [skipped] };
        }
        lost.set(path, { code, message });
      }
    }
  }

  /** Ends the threads; studies that were not cut yet are rejected. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.#workers.close();
  }
}
