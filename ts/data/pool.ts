/**
 * Cuts studies in worker threads. If a file crashes its thread or exceeds the time limit, the study is cut again
 * without it, as if the file could not be read.
 */
import { join, relative } from 'node:path';
import { decodeError } from '../dicom/pool.js';
import { WorkerLostError, WorkerPool, type WorkerPoolOptions } from '../io/workerPool.js';
import type { CutStudy } from './cut.js';
import type { CutSpec } from './cutSpec.js';
import type { Study } from './layouts/layout.js';
import type { CutRequest } from './worker.js';

/** A pool of threads that cut studies. */
export class CutPool implements AsyncDisposable {
  readonly #workers: WorkerPool<CutRequest, CutStudy>;

  constructor(options: WorkerPoolOptions = {}) {
    this.#workers = new WorkerPool(new URL('./worker.js', import.meta.url), 'CutPool', options);
  }

  get size(): number {
    return this.#workers.size;
  }

  /** Runs `cutStudy`. If skipping the file does not help, the result is an empty study. */
  async cut(study: Study, spec: CutSpec): Promise<CutStudy> {
    const { studyId } = study;
    const lost: CutRequest['lost'] = new Map();
    for (;;) {
      try {
        return await this.#workers.run({ study, spec, lost }, join(spec.dir, study.series[0]!.images));
      } catch (error) {
        if (!(error instanceof WorkerLostError)) throw error;
        const path = error.label;
        const { code, message } = decodeError(error);
        if (lost.has(path)) {
          const skipped = { path: relative(spec.dir, path), code, message: `${message}; study skipped` };
          return { studyId, identities: [], discs: [], slices: [], skipped: [skipped], notices: [] };
        }
        lost.set(path, { code, message });
      }
    }
  }

  /** Ends the threads. Unfinished studies reject with ERR_DISPOSED. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.#workers.close();
  }
}
