/** Exit codes of all commands; docs/architecture.md has the same table. */
import { SpinegradError } from '../error.js';

export const EXIT = {
  error: 1,
  /** An argument, an option or a setting has a bad value. */
  usage: 2,
  notLumbar: 3,
  /** The grades of at least one level are doubtful or missing. */
  incomplete: 4,
} as const;

/** Errors whose exit code is not 1. */
export const EXIT_CODES: Readonly<Record<string, number>> = {
  ERR_ARGUMENT: EXIT.usage,
  ERR_CONFIG: EXIT.usage,
  ERR_MODEL_ARM: EXIT.usage,
  ERR_ROI: EXIT.usage,
  ERR_SPLIT: EXIT.usage,
  ERR_STUDY_PLAN: EXIT.usage,
  ERR_TASK: EXIT.usage,
  ERR_TASK_PHANTOM: EXIT.usage,
  ERR_NOT_LUMBAR: EXIT.notLumbar,
};

export const exitCodeOf = (error: unknown): number =>
  (error instanceof SpinegradError && EXIT_CODES[error.code]) || EXIT.error;
