/** One temporary folder for all tests. It is deleted at the end, also if tests fail. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Sets TMPDIR before the workers start; returns what vitest runs at the end. */
export default function setup(): () => void {
  const folder = mkdtempSync(join(tmpdir(), 'spinegrad-test-'));
  process.env.TMPDIR = folder;
  return () => rmSync(folder, { recursive: true, force: true });
}
