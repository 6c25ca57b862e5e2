/** What both sides of the comparison understand. */

export interface Question {
  do: 'open' | 'values' | 'sample' | 'delay' | 'peak' | 'close';
  work?: string;
  options?: Options;
  /** Where the side that is opened first leaves its inputs for the other. */
  folder?: string;
  variant?: string;
  /** Calls in a sample. */
  calls?: number;
}

export type Options = Readonly<Record<string, number | string>>;

/** A work, ready to run. */
export interface Job {
  /** Runs it so many times; resolves when all of it is computed. */
  run(calls: number): Promise<void>;
  /** What it computes, on the same inputs as the other side: each array is compared with its like. */
  values(): Promise<Float32Array[]>;
  dispose(): void;
}
