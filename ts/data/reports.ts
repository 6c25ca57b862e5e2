/** The lists of what was skipped and what was corrected in a study. */
import type { Skipped, SpinegradError } from '../error.js';

export interface Reports {
  /** What was left out. */
  skipped: Skipped[];
  /** What was corrected; nothing is left out. */
  notices: Skipped[];
}

/**
 * Adds an entry to `skipped`, or `outcome` to an existing entry of the same file and error.
 *
 * @param path relative to the data folder
 * @param outcome what is left out
 */
export function reportSkipped({ skipped }: Reports, path: string, error: unknown, outcome: string): void {
  const { code = '', message } = error as Partial<SpinegradError> & Error;
  const existing = skipped.find((entry) => entry.path === path && entry.message.startsWith(message));
  const ownCode = code.startsWith('ERR_') ? (code as SpinegradError['code']) : 'ERR_FILE_READ';
  if (existing === undefined) skipped.push({ path, code: ownCode, message: `${message}; ${outcome}` });
  else if (!existing.message.endsWith(outcome)) existing.message += `; ${outcome}`;
}
