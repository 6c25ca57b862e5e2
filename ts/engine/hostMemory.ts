import { totalmem } from 'node:os';

/** Bytes of memory of the machine, or of the container if it has a limit. */
export function hostMemory(): number {
  const limit = process.constrainedMemory();
  return limit > 0 ? Math.min(limit, totalmem()) : totalmem();
}
