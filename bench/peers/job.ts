/** The protocol of the worker processes (worker.ts, worker.py). */

export interface Request {
  command: 'open' | 'values' | 'sample' | 'delay' | 'peak' | 'close';
  workload?: string;
  options?: Options;
  /** spinegrad writes the inputs of a workload here; PyTorch reads them. */
  folder?: string;
  variant?: string;
  /** Calls per sample. */
  calls?: number;
}

export type Options = Readonly<Record<string, number | string>>;

/** An opened workload. */
export interface Job {
  /** Runs the workload `calls` times. Resolves when all results are computed. */
  run(calls: number): Promise<void>;
  /** The results, for comparison with the arrays of the peer. */
  values(): Promise<Float32Array[]>;
  dispose(): void;
}
