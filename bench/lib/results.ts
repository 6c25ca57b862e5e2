/** Results that are kept: one file a day and processor, or device; the lists of later runs of the day are added to. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { join } from 'node:path';

export const processor = (): string => cpus()[0]!.model.trim();

const slug = (text: string): string => text.replace(/[^a-z0-9]+/gi, '-').toLowerCase();

/** @returns the file */
export function saveResults(
  folder: string,
  results: Readonly<Record<string, unknown>>,
  what: string = processor(),
): string {
  const date = new Date().toISOString();
  const machine = {
    processor: processor(),
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    node: process.version,
  };
  const file = join(folder, `${date.slice(0, 10)}-${slug(what)}.json`);
  mkdirSync(folder, { recursive: true });
  const earlier = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : {};
  const kept = Object.entries(results).map(([name, value]) => [
    name,
    Array.isArray(value) && Array.isArray(earlier[name]) ? [...earlier[name], ...value] : value,
  ]);
  writeFileSync(file, `${JSON.stringify({ date, machine, ...Object.fromEntries(kept) }, null, 1)}\n`);
  return file;
}
