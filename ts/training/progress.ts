/** What a person sees while a run goes on. */
export interface Progress {
  /** Shows how far `task` has come. */
  update(task: string, done: number, total: number, note?: string): void;
  /** A line that stays. */
  line(text: string): void;
  /** Leaves the line that is written over, for what others print. */
  end(): void;
}

export const silent: Progress = { update() {}, line() {}, end() {} };
