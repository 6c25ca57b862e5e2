/** One temporary folder for all tests. It is deleted at the end, also if tests fail. */
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/**
 * Sets TMPDIR before the workers start; returns what vitest runs at the end. Vitest calls it once for each project; nested
 * folders would exceed the length of a socket's path.
 */
export default function setup(): (() => void) | undefined {
  if (process.env.TMPDIR?.includes('spinegrad-test-')) return undefined;
  const folder = mkdtempSync(join(tmpdir(), 'spinegrad-test-'));
  // Tests of permissions run as another user if the tests run as root.
  chmodSync(folder, 0o711);
  process.env.TMPDIR = folder;
  return () => rmSync(folder, { recursive: true, force: true });
}
