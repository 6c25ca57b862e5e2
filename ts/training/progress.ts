/** The progress display of a run. */
export interface Progress {
  /** Shows that `done` of `total` parts of a task are done. */
  update(task: string, done: number, total: number, note?: string): void;
  /** Prints a line that stays. */
  line(text: string): void;
  /** Ends the line that `update` overwrites, so that other output starts on a new line. */
  end(): void;
}

export const silent: Progress = { update() {}, line() {}, end() {} };
